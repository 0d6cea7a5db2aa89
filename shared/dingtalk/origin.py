"""Origins: the scheme, host and port that decide where a reply may be sent."""

import ipaddress
import re
from urllib.parse import urlsplit

from dingda.shared.errors import InvalidOriginError

_DEFAULT_PORTS = {"http": 80, "https": 443}
# A name or an IPv4 address, or an IPv6 address in brackets; then perhaps a port.
_NETLOC = re.compile(
    r"(?P<host>[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]*:[0-9a-f:.]*\])(:(?P<port>[0-9]{1,5}))?"
)
_MAX_PORT = 65535
# Printable ASCII without the blank and the backslash. Parsers differ on what lies outside:
# urllib drops a tab where httpx refuses it, and httpx maps the full stop of Chinese to a dot.
_PLAIN = re.compile(r"[!-\[\]-~]+")


def origin_of(url: str) -> str:
    """Return a URL's origin with its port spelt out, such as `https://oapi.dingtalk.com:443`.

    Raises:
        InvalidOriginError: if the URL isn't plain ASCII http(s), names a user, or has a host or
            port that two parsers could read differently.
    """
    if not _PLAIN.fullmatch(url):
        raise InvalidOriginError("a URL must be printable ASCII without blanks or backslashes")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidOriginError("the URL cannot be parsed") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise InvalidOriginError("the scheme must be http or https")
    found = _NETLOC.fullmatch(parts.netloc.lower())
    if not found:
        raise InvalidOriginError(
            "after the scheme comes a plain host without a user, and perhaps a port"
        )
    port = int(found["port"] or _DEFAULT_PORTS[parts.scheme])
    if not 1 <= port <= _MAX_PORT:
        raise InvalidOriginError("the port must be a number from 1 to 65535")
    return f"{parts.scheme}://{found['host']}:{port}"


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine alone; so is none at all, as in the URL of a Unix socket."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host in ("localhost", None)
