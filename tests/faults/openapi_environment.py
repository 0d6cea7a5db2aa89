"""The bot on real processes before a simulated DingTalk with its OpenAPI: cards, pushes, files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.dingtalk.card import Card
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.testing.processes import free_port
from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from dingda.simulator.testing.stream_simulator import a_stream_simulator
from tests.faults.environment import FaultEnvironment
from tests.support.processes import (
    SECRET,
    SessionWebhook,
    Valkey,
    gateway,
    valkey,
    wait_until,
)


class OpenAPIEnvironment(FaultEnvironment):
    """A Redis, a gateway and a simulated DingTalk; workers as a test starts them.

    What a test has said by `dingtalk.ask` and `.say` is answered there, where cards and pushes
    show as well; `say` and `shown` of `FaultEnvironment` have a sessionWebhook of their own.

    Args:
        server: the Redis that everything is in.
        webhook: where replies to what `say` said go.
        address: the gateway's.
        dingtalk: DingTalk.
        settings: what every process is set to besides.
    """

    def __init__(
        self,
        server: Valkey,
        webhook: SessionWebhook,
        address: str,
        dingtalk: SimulatedDingTalk,
        settings: Mapping[str, str],
    ) -> None:
        super().__init__(server, webhook, address, server.url, settings)
        self.dingtalk = dingtalk

    def spinning(self) -> list[Card]:
        """The cards that have not come to their end."""
        return [card for card in self.dingtalk.cards if card.state.is_open]

    def wait_for_pushes(self, count: int, *, within_s: float = 60.0) -> list[Record]:
        """Wait until so many messages or cards have been sent first, and return them."""
        wait_until(lambda: len(self.dingtalk.pushed) >= count, within_s=within_s)
        return self.dingtalk.pushed


@contextmanager
def openapi_environment(
    folder: Path, *, simulator: dict[str, str] | None = None, **settings: str
) -> Iterator[OpenAPIEnvironment]:
    """An environment for one test.

    Args:
        folder: where the server and the simulator keep what is theirs.
        simulator: settings of the simulator's own; it limits no calls unless they say so.
        settings: of the bot's processes, besides those that lead to the simulator.
    """
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    with (
        valkey(folder / "valkey", appendfsync="always") as server,
        SessionWebhook() as webhook,
    ):
        own = {
            "DINGDA_APP_SECRET": SECRET,
            "DINGDA_APP_KEY": APP_KEY,
            "DINGDA_OPENAPI_URL": f"{url}/openapi",
            "DINGDA_OAPI_URL": f"{url}/openapi",
            "DINGDA_MEDIA_HOSTS": url,
            "DINGDA_SESSION_WEBHOOK_ORIGINS": f"{webhook.origin},{url}",
            **settings,
        }
        playing = {
            **own,
            "DINGDA_REDIS_URL": server.url,
            "DINGDA_SIMULATOR_PORT": port,
            "DINGDA_SIMULATOR_MODE": "http",
            **(simulator or {}),
        }
        with (
            gateway(server.url, **{"DINGDA_NO_WORKERS": "wait"} | own) as (_, address),
            a_stream_simulator(folder, playing | {"DINGDA_SIMULATOR_CALLBACK_URL": address}),
            SimulatedDingTalk.at(url) as dingtalk,
        ):
            yield OpenAPIEnvironment(server, webhook, address, dingtalk, own)
