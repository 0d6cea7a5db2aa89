"""Where Redis is: one server's URL, or the Sentinels that know which server is the primary."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

_OPTIONS = {
    "db": r"\d{1,5}",
    "protocol": r"[23]",
    "health_check_interval": r"\d{1,5}",
    "socket_keepalive": r"(?i)true|false|yes|no|1|0",
    "ssl_ca_certs": r".+",
    "ssl_ca_path": r".+",
    "ssl_certfile": r".+",
    "ssl_keyfile": r".+",
    "ssl_cert_reqs": r"none|optional|required",
    "ssl_check_hostname": r"(?i)true|false|yes|no|1|0",
}
"""Options that a Redis URL may have, and how their values look. redis-py takes any others too, and
they win over what we set: patience, decoding, the number of connections. Then one process works
and another doesn't."""
_SENTINEL_PORT = 26379
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,253}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]")
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """How to reach the primary, and how to sign in there.

    Args:
        url: the server's URL. With Sentinels its user, password, database and TLS count, and its
            host does not.
        sentinels: the host and the port of each Sentinel; none: the URL's server is the primary.
        master: what the Sentinels call the primary.
        sentinel_password: of the Sentinels' own user `default`; "" if they ask for none.
    """

    url: str = field(repr=False)
    sentinels: tuple[tuple[str, int], ...] = ()
    master: str = ""
    sentinel_password: str = field(default="", repr=False)


def read_sentinel(text: str) -> tuple[str, int]:
    """Read a Sentinel's address: `host:port`, `host` or `[IPv6]:port`.

    Raises:
        ValueError: saying how one is written.
    """
    host, port = text, str(_SENTINEL_PORT)
    if not text.endswith("]") and ":" in text:
        host, _, port = text.rpartition(":")
    if (
        not _HOST.fullmatch(host)
        or not re.fullmatch(r"[1-9]\d{0,4}", port)
        or int(port) > _MAX_PORT
    ):
        raise ValueError(
            "a Sentinel is written as host:26379, several with commas between them, without a "
            "scheme or a password (that is DINGDA_REDIS_SENTINEL_PASSWORD)"
        )
    return host.strip("[]"), int(port)


def url_fault(url: str) -> str:
    """What is wrong with a Redis URL, in words that hold nothing of it; "" if nothing is."""
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        return "a URL holds no blanks; write one in a password as %20"
    parts = urlsplit(url) if url.count("[") == url.count("]") else None
    if parts is None or parts.scheme not in ("redis", "rediss", "unix"):
        return "a URL begins with redis://, rediss:// or unix:// and is well formed"
    if parts.fragment or "#" in url or _port(url) is None:
        return (
            "host, port or database cannot be read; as redis://:password@host:6379/0, and in a "
            "password write / as %2F, ? as %3F, # as %23 and % as %25"
        )
    if parts.scheme == "unix" and not parts.path:
        return "unix:// is followed by the path of a socket"
    if parts.scheme != "unix" and not re.fullmatch(r"/?|/\d{1,5}/?", parts.path):
        return "the database is a number, as in redis://host:6379/0"
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _OPTIONS:
            return f"it has an option that Dingda does not take; those are {', '.join(_OPTIONS)}"
        if not re.fullmatch(_OPTIONS[name], value):
            return f"the option {name} has a value that it can't have"
        if name.startswith("ssl_") and parts.scheme != "rediss":
            return f"the option {name} is for rediss://"
    return ""


def _port(url: str) -> int | None:
    """The port that a URL names or implies; None where it can't be read."""
    with suppress(ValueError):
        port = urlsplit(url).port
        return 6379 if port is None else port or None
    return None
