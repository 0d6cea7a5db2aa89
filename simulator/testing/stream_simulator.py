"""A simulator in Stream mode, as a process of its own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.errors import StackError
from dingda.simulator.testing.processes import (
    a_running_process,
    clean_environment,
    free_port,
    is_ready,
)

_SECRET = "only-these-tests-use-this"  # noqa: S105 - it protects nothing


@dataclass(frozen=True, slots=True)
class StreamSimulator:
    """Where a simulator runs, and what a bot needs to connect to it."""

    url: str
    client_id: str = APP_KEY
    client_secret: str = _SECRET

    @property
    def openapi_url(self) -> str:
        """What `/v1.0/gateway/connections/open` is below."""
        return f"{self.url}/openapi"

    @property
    def settings(self) -> dict[str, str]:
        """The environment of a bot that connects to it, but for its Redis."""
        return {
            "DINGDA_APP_KEY": self.client_id,
            "DINGDA_APP_SECRET": self.client_secret,
            "DINGDA_OPENAPI_URL": self.openapi_url,
            "DINGDA_OAPI_URL": self.openapi_url,
            "DINGDA_MEDIA_HOSTS": self.url,
            "DINGDA_SESSION_WEBHOOK_ORIGINS": self.url,
        }


@contextmanager
def a_stream_simulator(
    folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[StreamSimulator]:
    """Run a simulator in Stream mode for as long as the context is open.

    `SimulatedDingTalk.at` speaks to it.

    Args:
        folder: where it writes its log, `dingda.simulator.log`.
        settings: environment variables, such as DINGDA_SIMULATOR_STREAM_REDELIVER_S. Its port is a
            free one, unless they have DINGDA_SIMULATOR_PORT.

    Raises:
        StackError: if it does not start; it quotes the log.
    """
    port = (settings or {}).get("DINGDA_SIMULATOR_PORT") or free_port()
    simulator = StreamSimulator(f"http://127.0.0.1:{port}")
    environment = (
        clean_environment()
        | simulator.settings
        | {
            "DINGDA_REDIS_URL": "redis://127.0.0.1:9/0",
            "DINGDA_SIMULATOR_PORT": str(port),
            "DINGDA_SIMULATOR_MODE": "stream",
            "DINGDA_SIMULATOR_REPLIES_PER_MINUTE": "0",
            "DINGDA_SIMULATOR_OPENAPI_QPS": "0",
            "DINGDA_SIMULATOR_OPENAPI_MONTHLY_CALLS": "0",
        }
        | dict(settings or {})
    )
    with a_running_process("dingda.simulator", folder, environment) as (process, log):
        if not is_ready(f"{simulator.url}/api/health", [process]):
            raise StackError(log.read_text("utf-8", "replace"))
        yield simulator
