"""Origins: the scheme, host and port that decide where a reply may be sent."""

import re
from urllib.parse import urlsplit

from shared.errors import InvalidOriginError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:]*:[0-9a-f:.]*")
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
        port = parts.port
    except ValueError:
        raise InvalidOriginError("the URL cannot be parsed") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise InvalidOriginError("the scheme must be http or https")
    if "@" in parts.netloc:
        raise InvalidOriginError("a URL must not name a user")
    host = parts.hostname or ""
    if not _HOST.fullmatch(host):
        raise InvalidOriginError("the host must be a plain name or address")
    if parts.netloc.endswith(":") or port == 0:
        raise InvalidOriginError("the port must be a number from 1 to 65535")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or _DEFAULT_PORTS[parts.scheme]}"
