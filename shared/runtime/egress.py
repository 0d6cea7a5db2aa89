"""How our processes reach DingTalk and backends: directly, or through a company's proxy."""

import ssl
from dataclasses import dataclass, field

import certifi

from dingda import __version__

USER_AGENT = f"dingda/{__version__}"


@dataclass(frozen=True, slots=True)
class Egress:
    """The proxy settings for outgoing requests.

    Args:
        proxy_url: an HTTP proxy, perhaps with a user and a password; "" for none.
        direct_hosts: hosts that are reached without the proxy, each with its subdomains.
    """

    proxy_url: str = field(default="", repr=False)
    direct_hosts: tuple[str, ...] = ()

    def proxy_for(self, host: str) -> str:
        """Return the URL of the proxy to go through to a host; "" for none."""
        is_direct = any(host == each or host.endswith(f".{each}") for each in self.direct_hosts)
        return "" if is_direct else self.proxy_url


DIRECT = Egress()


def create_tls_context() -> ssl.SSLContext:
    """The rules of TLS to others: the authorities are certifi's, and no variable changes them.

    It takes tens of milliseconds of CPU time to make: keep it.
    """
    return ssl.create_default_context(cafile=certifi.where())
