"""Everything at once, for tests: a server for the ledger, a gateway, a worker and a simulator.

With `DINGDA_SIMULATOR_MODE=stream` among the settings `dingda stream` runs instead of the gateway.
The simulator fakes DingTalk's OpenAPI and the weather service as well. The bot is started by name
(`python -m dingda.gateway`), which works in a checkout and where the package is installed.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dingda.shared.runtime.inspection_file import INSPECTION_FILE
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


@contextmanager
def a_running_stack(folder: Path, settings: Mapping[str, str]) -> Iterator[str]:
    """Start everything on free ports, and stop it at the end of the context.

    Args:
        folder: where the server keeps its data and the processes their logs.
        settings: environment variables for all of them, such as `DINGDA_SKILLS`.

    Yields:
        The simulator's URL.

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
            # The simulator fakes these, too.
            **account_settings(url, mode=settings.get("DINGDA_SIMULATOR_MODE", "http")),
            "DINGDA_OPEN_METEO_URL": f"{url}/open-meteo",
            "DINGDA_OPEN_METEO_GEOCODING_URL": f"{url}/open-meteo",
            **settings,
        }

        def start(module: str, *arguments: str, **settings: str) -> Process:
            running = a_running_process(module, folder, environment | settings, *arguments)
            return stack.enter_context(running)[0]

        processes = [
            start("dingda.simulator"),
            start("dingda", "stream", DINGDA_METRICS_PORT=str(receiver))
            if environment.get("DINGDA_SIMULATOR_MODE") == "stream"
            else start("dingda.gateway"),
            start("dingda.worker"),
        ]
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
        yield url


def _log_tails(folder: Path) -> str:
    logs = sorted(folder.glob("*.log"))
    return "\n".join(f"{log.stem}: {log.read_text('utf-8', 'replace')[-1000:]}" for log in logs)
