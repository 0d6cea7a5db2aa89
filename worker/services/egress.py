"""How the worker reaches DingTalk and backends: directly, or through a company's proxy."""

import asyncio
from dataclasses import dataclass, field

from dingda import __version__

USER_AGENT = f"dingda/{__version__}"
_CONNECT_GAP_S = 0.001


@dataclass(frozen=True, slots=True)
class Egress:
    """The proxy settings for outgoing requests.

    Args:
        proxy_url: an HTTP proxy, perhaps with a user and a password; "" for none.
        direct_hosts: hosts that are reached without the proxy, each with its subdomains.
    """

    proxy_url: str = field(default="", repr=False)
    direct_hosts: tuple[str, ...] = ()

    def is_direct(self, host: str) -> bool:
        """Whether a host is reached without the proxy."""
        return any(host == each or host.endswith(f".{each}") for each in self.direct_hosts)

    def proxy_for(self, host: str) -> str:
        """Return the URL of the proxy to go through to a host; "" for none."""
        return "" if self.is_direct(host) else self.proxy_url


DIRECT = Egress()


class ConnectPacer:
    """Opens connections a moment apart, because many at once overflow a small accept queue.

    Linux then drops the final ACK of a handshake: the client believes it is connected, and the
    server learns of it seconds later or never. A reply claimed for it would end as unknown.
    """

    def __init__(self) -> None:
        self._next_s = 0.0

    async def wait(self, *_: object) -> None:
        """Wait until the next connection may be opened; the arguments are a trace callback's."""
        now_s = asyncio.get_running_loop().time()
        turn_s = max(now_s, self._next_s)
        self._next_s = turn_s + _CONNECT_GAP_S
        if turn_s > now_s:
            await asyncio.sleep(turn_s - now_s)
