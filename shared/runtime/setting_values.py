"""The values that settings take: each type checks what operators write, and says how to write it.

A ValueError quotes no value: it may be a secret.
"""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SecretStr

from dingda.shared.dingtalk.media_hosts import MediaHosts
from dingda.shared.dingtalk.origin import origin_of
from dingda.shared.errors import InvalidOriginError
from dingda.shared.runtime.redis_address import read_sentinel, url_fault

_QUOTES = ('""', "''", "``", "“”", "‘’")
_PATH = re.compile(r"/|(/[A-Za-z0-9_~.:@!$&'()*+,;=-]+)+/?")
_MAX_VARIABLE_CHARS = 100
_OWN_PATHS = ("/healthz", "/readyz", "/card", "/push")
MIN_TOKEN_CHARS = 16
_PROXY_URL = re.compile(r"http://([A-Za-z0-9._~!$&'()*+,;=%:-]*@)?(?P<host>[^@/?#]+)/?")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def bare(value: str) -> str:
    """Strip blanks and line ends; quotes that are still there would be part of the value.

    Raises:
        ValueError: if there are some.
    """
    stripped = value.strip()
    if len(stripped) > 1 and stripped[0] + stripped[-1] in _QUOTES:
        raise ValueError("the value is in quotes, which belong to it here: leave them out")
    return stripped


def _split(value: Any) -> Any:
    """Read `a, b` as a list, as people write lists in the environment."""
    if isinstance(value, str):
        return [bare(item) for item in value.split(",") if item.strip()]
    return value


def _redis_url(url: SecretStr) -> SecretStr:
    if fault := url_fault(url.get_secret_value()):
        raise ValueError(fault)
    return url


def _sentinel(text: str) -> str:
    read_sentinel(text)
    return text


def _origin(url: str) -> str:
    try:
        origin = origin_of(url)
    except InvalidOriginError as error:
        raise ValueError(f"{error}; write it as https://oapi.dingtalk.com") from None
    if url.rstrip("/").count("/") > len(("http:", "")):
        raise ValueError("an origin has no path; write it as https://oapi.dingtalk.com")
    return origin


def _media_host(name: str) -> str:
    try:
        MediaHosts.of((name,))
    except InvalidOriginError as error:
        raise ValueError(
            f"{error}; write it as aliyuncs.com, or as https://files.corp.example"
        ) from None
    return name


def _base_url(url: str) -> str:
    try:
        origin_of(url)
    except InvalidOriginError as error:
        raise ValueError(f"{error}; write it as https://api.dingtalk.com") from None
    return url.rstrip("/")


def _proxy_url(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    parts = _PROXY_URL.fullmatch(url)
    try:
        if url:
            origin_of(f"http://{parts['host'] if parts else ''}")
    except InvalidOriginError:
        raise ValueError(
            "write it as http://proxy.example:3128 or http://user:password@proxy.example:3128, "
            "with what is special in a password percent-encoded"
        ) from None
    return secret


def _host(name: str) -> str:
    if not _HOST.fullmatch(name):
        raise ValueError("a host is written as hr.example or 10.0.0.5, without a port")
    return name.lower()


def _variable(name: str) -> str:
    if not (name.isidentifier() and len(name) <= _MAX_VARIABLE_CHARS):
        raise ValueError("write the variable's name as the card platform has it")
    return name


def _path(path: str) -> str:
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError(
            "a path begins with / and is made of letters, digits and -_.~ between single slashes, "
            "as /dd_robot/; no blanks, no percent signs, no ? or #, no . or .. alone"
        )
    if path.rstrip("/") in _OWN_PATHS:
        raise ValueError("the gateway has this path for something else")
    return path


def _push_token(token: SecretStr) -> SecretStr:
    value = token.get_secret_value()
    if value and not (len(value) >= MIN_TOKEN_CHARS and value.isascii() and value.isprintable()):
        raise ValueError(
            f"write {MIN_TOKEN_CHARS} ASCII characters or more, as openssl rand -hex 32 does"
        )
    return token


Commas = BeforeValidator(_split)
"""Reads a list that is written with commas."""
Origin = Annotated[str, AfterValidator(_origin)]
BaseURL = Annotated[str, AfterValidator(_base_url)]
ProxyURL = Annotated[SecretStr, AfterValidator(_proxy_url)]
RedisURL = Annotated[SecretStr, AfterValidator(_redis_url)]
Sentinel = Annotated[str, AfterValidator(_sentinel)]
Host = Annotated[str, AfterValidator(_host)]
MediaHost = Annotated[str, AfterValidator(_media_host)]
URLPath = Annotated[str, AfterValidator(_path)]
CardVariable = Annotated[str, AfterValidator(_variable)]
PushToken = Annotated[SecretStr, AfterValidator(_push_token)]
