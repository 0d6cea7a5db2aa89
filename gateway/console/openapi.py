"""One call of DingTalk's OpenAPI, and what its response says about the application that called.

Sources: DingTalk's pages on error codes (server-api-error-codes-1), permissions
(add-api-permission) and throttling (how-to-process-api-throttling-on-the-dingtalk-server).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp

from dingda.shared.dingtalk.fields import mapping, read_object
from dingda.shared.errors import InvalidMessageError
from dingda.shared.runtime.egress import USER_AGENT, Egress, create_tls_context
from dingda.shared.runtime.logs import printable

TIMEOUT_S = 3.0
"""For a whole call, in seconds."""
_MAX_BYTES = 64 * 1024
_MAX_CODE_CHARS = 80
_CODES_END = 10**9
_MAX_PERMISSIONS = 5


@dataclass(frozen=True, slots=True)
class Call:
    """A request that changes nothing."""

    method: Literal["GET", "POST"]
    url: str
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def host(self) -> str:
        """The host that is called."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True, slots=True)
class Response:
    """A response; `fields` is None where the body is not a JSON object."""

    status: int
    fields: dict[str, Any] | None = field(repr=False)

    @property
    def code(self) -> str:
        """The error's code, of the newer API or of the older one; "" where there is none."""
        fields = self.fields or {}
        codes = (_code(fields.get(name)) for name in ("code", "sub_code", "errcode"))
        return next(filter(None, codes), "")

    @property
    def said(self) -> str:
        """Its status and its code; its text may hold names and addresses."""
        return f"HTTP {self.status}, {self.code}" if self.code else f"HTTP {self.status}"

    @property
    def missing_permissions(self) -> tuple[str, ...]:
        """The permissions that DingTalk says are missing, in a 403 of the newer API."""
        detail = mapping((self.fields or {}).get("accessdenieddetail"))
        scopes = detail.get("requiredScopes")
        named = scopes if isinstance(scopes, list) else []
        return tuple(each for each in named[:_MAX_PERMISSIONS] if _is_permission(each))


@dataclass(frozen=True, slots=True)
class NoResponse:
    """No response came, or none that can be trusted."""

    said: str
    """Python's name of the error."""
    is_untrusted: bool = False
    """Whether the host's certificate is not valid."""


Answer = Response | NoResponse
Ask = Callable[[Call], Awaitable[Answer]]
"""Makes a call, within `TIMEOUT_S`."""


@dataclass(frozen=True, slots=True)
class DingTalk:
    """Where the OpenAPI is, and how it is called."""

    ask: Ask
    openapi_url: str
    oapi_url: str


class Meaning(StrEnum):
    """What a response says about the caller."""

    ALLOWED = "allowed"
    """The caller may make this call; it was done, or refused for what is in it."""
    NO_PERMISSION = "no permission"
    CREDENTIALS = "credentials"
    """The AppKey or the AppSecret is wrong."""
    ADDRESS = "address"
    """The caller's address is not in the application's list."""
    QUOTA = "quota"
    """The organisation's calls of this month are used up."""
    THROTTLED = "throttled"
    BUSY = "busy"
    REFUSED = "refused"
    """For a reason that is not listed here."""
    NOT_DINGTALK = "not dingtalk"
    """The response is not from an API of DingTalk's: from a proxy, or its shield against floods."""
    UNTRUSTED = "untrusted"
    UNREACHABLE = "unreachable"


_MEANINGS = {
    "invalidClientIdOrSecret": Meaning.CREDENTIALS,
    "authFailed": Meaning.CREDENTIALS,
    "Forbidden.AccessDenied.AccessTokenPermissionDenied": Meaning.NO_PERMISSION,
    "60011": Meaning.NO_PERMISSION,
    "Forbidden.AccessDenied.IpNotInWhiteList": Meaning.ADDRESS,
    "60020": Meaning.ADDRESS,
    "Forbidden.AccessDenied.ApiCountLimitForOrg": Meaning.QUOTA,
    "90020": Meaning.QUOTA,
    "90002": Meaning.THROTTLED,
    "90018": Meaning.THROTTLED,
    "-1": Meaning.BUSY,
}
_THROTTLED = ("QpsLimit", "QpmLimit")
_REFUSED = ("auth.error", "authentication", "unauthori", "denied", "forbidden", "permission")
"""What codes hold that speak of the caller's rights, in lower case."""
_AUTHENTICATION_FAILED = "88"
"""The older API's errcode for whatever is wrong with the caller; its `sub_code` says what."""
_BY_STATUS: dict[int, Meaning] = {
    HTTPStatus.UNAUTHORIZED: Meaning.CREDENTIALS,
    HTTPStatus.FORBIDDEN: Meaning.REFUSED,
    HTTPStatus.NOT_FOUND: Meaning.NOT_DINGTALK,
    HTTPStatus.METHOD_NOT_ALLOWED: Meaning.NOT_DINGTALK,
    HTTPStatus.TOO_MANY_REQUESTS: Meaning.THROTTLED,
}


def meaning_of(response: Answer) -> Meaning:
    """Decide what a response says about the caller, by its code, and else by its status."""
    if isinstance(response, NoResponse):
        return Meaning.UNTRUSTED if response.is_untrusted else Meaning.UNREACHABLE
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Meaning.BUSY
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST
    if response.fields is None or "punish" in response.fields or is_redirect:
        return Meaning.NOT_DINGTALK
    if any(word in response.code for word in _THROTTLED):
        return Meaning.THROTTLED
    if listed := _MEANINGS.get(response.code) or _BY_STATUS.get(response.status):
        return listed
    is_refused = _code(response.fields.get("errcode")) == _AUTHENTICATION_FAILED
    is_refused = is_refused or any(word in response.code.lower() for word in _REFUSED)
    return Meaning.REFUSED if is_refused else Meaning.ALLOWED


def _is_permission(value: object) -> bool:
    """Whether a value is like `qyapi_robot_sendmsg` or `Card.Streaming.Write`."""
    if not isinstance(value, str) or len(value) > _MAX_CODE_CHARS:
        return False
    return value.isascii() and value.replace("_", "").replace(".", "").isalnum()


def _code(value: object) -> str:
    """A code as text; "" for 0, and for what can be none."""
    if type(value) is int and abs(value) < _CODES_END:
        return str(value) if value else ""
    return printable(value, _MAX_CODE_CHARS) if isinstance(value, str) else ""


@asynccontextmanager
async def open_client(egress: Egress) -> AsyncIterator[Ask]:
    """Make calls, each once and on its own, for the length of the context.

    Args:
        egress: the proxy, if there is one.
    """
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=create_tls_context(), limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
    ) as session:

        async def ask(call: Call) -> Answer:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    return await _ask(session, call, egress)
            except aiohttp.ClientConnectorCertificateError as error:
                return NoResponse(type(error).__name__, is_untrusted=True)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                # Its text may name a proxy with its password, or an address with a token.
                return NoResponse(type(error).__name__)

        yield ask


async def _ask(session: aiohttp.ClientSession, call: Call, egress: Egress) -> Response:
    async with session.request(
        call.method,
        call.url,
        params=call.params,
        json=call.json,
        headers=call.headers,
        allow_redirects=False,
        # aiohttp takes a user and a password out of it, for the proxy alone.
        proxy=egress.proxy_for(call.host) or None,
    ) as response:
        return Response(response.status, _fields(await _read_start(response)))


async def _read_start(response: aiohttp.ClientResponse) -> bytes:
    """The body, or as much of it as no answer of the API would exceed."""
    try:
        return await response.content.readexactly(_MAX_BYTES)
    except asyncio.IncompleteReadError as error:
        return error.partial


def _fields(body: bytes) -> dict[str, Any] | None:
    try:
        return read_object(body)
    except InvalidMessageError:
        return None
