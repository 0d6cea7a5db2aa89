"""Everything at once, for tests: a server for the ledger, a gateway, a worker and a simulator.

With `DINGDA_SIMULATOR_MODE=stream` among the settings `dingda stream` runs instead of the gateway.
The simulator fakes DingTalk's OpenAPI and the weather service as well. The bot is started by name
(`python -m dingda.gateway`), which works in a checkout and where the package is installed.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import redis

from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.states import MessageState
from dingda.shared.runtime.inspection_file import INSPECTION_FILE
from dingda.shared.runtime.set_clock import CLOCK_FILE, set_clock
from dingda.simulator.backends.account import account_settings, register_card_callback
from dingda.simulator.errors import StackError
from dingda.simulator.testing.processes import (
    Process,
    a_running_process,
    a_running_valkey,
    clean_environment,
    free_port,
    is_ready,
)

_SECRET = "only-these-tests-use-this"  # noqa: S105 - it protects nothing
_HELD = {MessageState.LEASED, MessageState.SENDING}
"""The states in which a worker has a message."""


class RunningStack:
    """A stack that runs.

    Args:
        url: the simulator's.
        environment: of all its processes.
        start_worker: starts a worker.
    """

    def __init__(
        self, url: str, environment: Mapping[str, str], start_worker: Callable[[], Process]
    ) -> None:
        self.url = url
        self._redis_url = environment["DINGDA_REDIS_URL"]
        self._queue = environment.get("DINGDA_QUEUE", "dingda")
        self._keys = LedgerKeys(self._queue)
        self._clock_file = Path(environment[CLOCK_FILE])
        self._start_worker = start_worker
        self._worker = start_worker()

    @property
    def worker(self) -> Process:
        """The worker that runs at present."""
        return self._worker

    def kill_worker(self) -> None:
        """Kill the worker as `kill -9` does, and start another.

        What it held is the next one's within seconds, which takes up to 22 s elsewhere: it is known
        to be dead here, so nobody has to wait until its leases lapse.
        """
        self._worker.kill()
        self._worker.wait()
        self._end_leases()
        self._worker = self._start_worker()

    @contextmanager
    def clock_at(self, now: datetime) -> Iterator[None]:
        """Let the skills' clock stand still in a `with` block."""
        self._set_clock(now)
        try:
            yield
        finally:
            self._set_clock(None)

    def _set_clock(self, now: datetime | None) -> None:
        set_clock(self._clock_file, now)
        # What is remembered was looked up at another time.
        with redis.Redis.from_url(self._redis_url, decode_responses=True) as client:
            for key in client.scan_iter(f"{self._queue}:cache:*"):
                client.delete(key)

    def _end_leases(self) -> None:
        with redis.Redis.from_url(self._redis_url, decode_responses=True) as client:
            for message_id in client.zrange(self._keys.due, 0, -1):
                if client.hget(self._keys.message(message_id), "state") in _HELD:
                    client.zadd(self._keys.due, {message_id: 0})


@contextmanager
def a_running_stack(folder: Path, settings: Mapping[str, str]) -> Iterator[RunningStack]:
    """Start everything on free ports, and stop it at the end of the context.

    Args:
        folder: where the server keeps its data and the processes their logs.
        settings: environment variables for all of them, such as `DINGDA_SKILLS`.

    Raises:
        StackError: if something does not start; it quotes the logs.
    """
    receiver, simulator = free_port(), free_port()
    url = f"http://127.0.0.1:{simulator}"
    with ExitStack() as stack:
        environment = clean_environment() | {
            "DINGDA_APP_SECRET": _SECRET,
            "DINGDA_REDIS_URL": stack.enter_context(a_running_valkey(folder / "valkey")),
            "DINGDA_PORT": str(receiver),
            "DINGDA_SESSION_WEBHOOK_ORIGINS": url,
            "DINGDA_SIMULATOR_PORT": str(simulator),
            "DINGDA_SIMULATOR_REPLIES_PER_MINUTE": "0",
            "DINGDA_SIMULATOR_OPENAPI_QPS": "0",
            "DINGDA_SIMULATOR_OPENAPI_MONTHLY_CALLS": "0",
            INSPECTION_FILE: str(folder / "inspection.jsonl"),
            CLOCK_FILE: str(folder / "clock"),
            # The simulator fakes these, too.
            **account_settings(url, mode=settings.get("DINGDA_SIMULATOR_MODE", "http")),
            "DINGDA_OPEN_METEO_URL": f"{url}/open-meteo",
            "DINGDA_OPEN_METEO_GEOCODING_URL": f"{url}/open-meteo",
            **settings,
        }

        def start(module: str, *arguments: str, **settings: str) -> Process:
            process = a_running_process(module, folder, environment | settings, *arguments)
            return stack.enter_context(process)[0]

        processes = [
            start("dingda.simulator"),
            start("dingda", "stream", DINGDA_METRICS_PORT=str(receiver))
            if environment.get("DINGDA_SIMULATOR_MODE") == "stream"
            else start("dingda.gateway"),
        ]
        running = RunningStack(url, environment, lambda: start("dingda.worker"))
        processes.append(running.worker)
        for address in (f"{url}/api/health", f"http://127.0.0.1:{receiver}/readyz"):
            if not is_ready(address, processes):
                raise StackError(f"nothing is ready at {address}\n{_log_tails(folder)}")
        if environment["DINGDA_CARD_CALLBACK"] == "http" and "DINGDA_ROBOTS" not in environment:
            register_card_callback(
                f"{url}/openapi",
                app_key=environment["DINGDA_APP_KEY"],
                app_secret=environment["DINGDA_APP_SECRET"],
                callback_url=f"http://127.0.0.1:{receiver}/card",
            )
        yield running


def _log_tails(folder: Path) -> str:
    logs = sorted(folder.glob("*.log"))
    return "\n".join(f"{log.stem}: {log.read_text('utf-8', 'replace')[-1000:]}" for log in logs)
