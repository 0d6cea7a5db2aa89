"""The two ways of a message to the bot of a demo: what runs for it, on which ports."""

import socket
from collections.abc import Collection
from dataclasses import dataclass

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.environment import value_set

_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the demo, and the variable that chooses another."""

    what: str
    variable: str
    default: int

    @property
    def number(self) -> int:
        """The port to use.

        Raises:
            SettingsError: if the variable holds something else.
        """
        chosen = value_set(self.variable) or str(self.default)
        if not (chosen.isascii() and chosen.isdigit() and 0 < int(chosen) <= _LAST_PORT):
            raise SettingsError(f"{self.variable}: a port is a number up to {_LAST_PORT}")
        return int(chosen)

    @property
    def is_taken(self) -> bool:
        """Whether somebody listens there already."""
        return _is_taken(self.number)

    def another(self, *, but: Collection[int] = ()) -> int:
        """A port that is free, and that the demo does not use for something else.

        Args:
            but: what it will use besides its own.
        """
        own = {*but, *(port.number for port in (REDIS, GATEWAY, SIMULATOR))}
        beside = (number for number in range(self.number + 10, _LAST_PORT, 10) if number not in own)
        return next((number for number in beside if not _is_taken(number)), self.default)


def _is_taken(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return True
        return False


REDIS = Port("Redis", "DINGDA_DEMO_REDIS_PORT", 6380)
GATEWAY = Port("the gateway", "DINGDA_PORT", 8000)
SIMULATOR = Port("the simulated DingTalk", "DINGDA_SIMULATOR_PORT", 8100)


@dataclass(frozen=True, slots=True)
class Ingress:
    """How messages get from the simulated DingTalk to the bot."""

    mode: str
    """The simulator's: the value of `DINGDA_SIMULATOR_MODE`."""
    command: str
    """What receives the messages, as a command of `dingda`."""
    typed: str
    """How its demo is started, after `dingda`."""
    ports: tuple[Port, ...]
    """All ports of its demo."""
    note: str
    """What the demo says of it, with places for the ports and the page's address."""


HTTP = Ingress(
    mode="http",
    command="gateway",
    typed="demo",
    ports=(REDIS, GATEWAY, SIMULATOR),
    note="""\
  The gateway listens on http://127.0.0.1:{gateway}/dd_robot/, a simulated DingTalk on
  {page}, a Redis on 127.0.0.1:{redis} with its data under data/.""",
)
STREAM = Ingress(
    mode="stream",
    command="stream",
    typed="demo --stream",
    ports=(REDIS, SIMULATOR),
    note="""\
  Stream mode: the bot listens on no port. `dingda stream` has opened a WebSocket to a simulated
  DingTalk on {page}, and every message comes over it.
  A Redis listens on 127.0.0.1:{redis} with its data under data/.""",
)
