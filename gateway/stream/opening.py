"""Opening a Stream connection: a ticket from DingTalk's OpenAPI, and with it a WebSocket.

A ticket is valid for 90 seconds and one connection (open-dingtalk/developerpedia,
docs/learn/stream/protocol.md). It is a credential, as the secret is: neither is ever in an error or
a line of the log. aiohttp's exceptions name URLs, and so the ticket: only their classes are told,
and what the commonest of them mean.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientWebSocketResponse
from yarl import URL

from dingda.gateway.stream.frames import CALLBACK, CARD_ACTION, EVENT, ROBOT_MESSAGE
from dingda.shared.dingtalk.fields import read_object, string
from dingda.shared.dingtalk.origin import is_loopback, origin_of
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.errors import DingdaError, InvalidMessageError, InvalidOriginError
from dingda.shared.runtime.egress import USER_AGENT, Egress
from dingda.shared.runtime.logs import printable

OPEN_PATH = "/v1.0/gateway/connections/open"
SUBSCRIPTIONS = (
    {"type": EVENT, "topic": "*"},
    {"type": CALLBACK, "topic": ROBOT_MESSAGE},
    {"type": CALLBACK, "topic": CARD_ACTION},
)
"""Of events there is no other topic than `*`: which come is chosen in the console (protocol)."""
MAX_FRAME_BYTES = 1024 * 1024
"""The official SDK for Python takes as much; DingTalk documents no limit. What is larger ends the
connection, before it is read (RFC 6455, close code 1009)."""
_OPEN_TIMEOUT_S = 10.0
"""For the ticket and the handshake together, in seconds."""
_CONNECT_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 1.0
_PING_EVERY_S = 30.0
"""How long a WebSocket may be silent before we ping it; half as long it may take to answer."""
_MAX_RESPONSE_BYTES = 16 * 1024
_MAX_CODE_CHARS = 80

_ADVICE: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: (
        "the Client ID (app key) or the Client Secret is wrong; copy both from "
        "open-dev.dingtalk.com, under 应用开发 > your application > 凭证与基础信息"
    ),
    HTTPStatus.BAD_REQUEST: (
        "publish a version of the application, choose Stream mode as its robot's way to receive "
        "messages, and look at its list of allowed IP addresses"
    ),
    HTTPStatus.FORBIDDEN: "look at the organisation's quota, and at the application's permissions",
    HTTPStatus.NOT_FOUND: "DINGDA_OPENAPI_URL leads to no DingTalk",
}
_MEANINGS: tuple[tuple[type[Exception], str], ...] = (
    (
        aiohttp.ClientConnectorCertificateError,
        "its certificate is not valid: a clock, a proxy, or an attack",
    ),
    (
        aiohttp.ClientConnectorDNSError,
        "its name is not found: no network, or none but through a proxy (DINGDA_PROXY_URL)",
    ),
    (aiohttp.ClientProxyConnectionError, "the proxy of DINGDA_PROXY_URL does not answer"),
    (aiohttp.ClientHttpProxyError, "the proxy of DINGDA_PROXY_URL opens no tunnel"),
    (aiohttp.ClientConnectorError, "nothing listens there, or a firewall is in between"),
    (TimeoutError, f"not within {_OPEN_TIMEOUT_S:.0f} s"),
)
"""What an exception means to an operator; the first that fits counts."""


class OpeningError(DingdaError):
    """A connection could not be opened now; it may be in a while."""


class RefusedError(OpeningError):
    """DingTalk refuses the connection, and will until somebody mends what the message says."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where to connect, and the credential for it."""

    endpoint: str
    value: str = field(repr=False)

    @property
    def url(self) -> URL:
        """The address to connect to: a credential."""
        return URL(f"{self.endpoint}?ticket={quote(self.value, safe='')}", encoded=True)


class OpenSocket(NamedTuple):
    """An open WebSocket.

    Its messages of text are bytes; and when the server closes it, it doesn't answer by itself, as
    acknowledgements may still be written then.
    """

    session: aiohttp.ClientSession
    """To be closed at the end: it has nothing else, and closes the socket whatever became of it."""
    socket: "ClientWebSocketResponse[Any]"


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens connections.

    Args:
        openapi_url: `https://api.dingtalk.com`.
        egress: the proxy, if there is one.
        tls: the rules of TLS.
    """

    openapi_url: str
    egress: Egress
    tls: ssl.SSLContext

    async def open(self, robot: Robot) -> OpenSocket:
        """Open a connection for a robot.

        Raises:
            RefusedError: if DingTalk refuses, and will again.
            OpeningError: if it can't be opened within `_OPEN_TIMEOUT_S`, whatever the cause.
        """
        session = self._session()
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                ticket = await self._request_ticket(session, robot)
                return OpenSocket(session, await self._connect(session, ticket))
        except BaseException as error:
            await session.close()
            if isinstance(error, OpeningError) or not isinstance(error, Exception):
                raise
            raise OpeningError(f"DingTalk was not reached ({_describe(error)})") from None

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.tls, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Without Accept the gateway answers XML (the SDK for Node.js).
            headers={
                "User-Agent": USER_AGENT,
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT_S),
            auto_decompress=False,
            middlewares=(_refuse_redirects,),
        )

    async def _request_ticket(self, session: aiohttp.ClientSession, robot: Robot) -> Ticket:
        url = URL(self.openapi_url + OPEN_PATH)
        body = ticket_request(robot)
        async with session.post(url, json=body, proxy=self._proxy_for(url)) as response:
            return read_ticket(response.status, await _read_start(response))

    async def _connect(
        self, session: aiohttp.ClientSession, ticket: Ticket
    ) -> ClientWebSocketResponse[Any]:
        try:
            return await session.ws_connect(
                ticket.url,
                proxy=self._proxy_for(ticket.url),
                max_msg_size=MAX_FRAME_BYTES,
                heartbeat=_PING_EVERY_S,
                autoclose=False,
                decode_text=False,
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_TIMEOUT_S),
            )
        except aiohttp.WSServerHandshakeError as error:
            raise OpeningError(f"DingTalk opens no WebSocket (HTTP {error.status})") from None

    def _proxy_for(self, url: URL) -> str | None:
        # aiohttp takes a user and a password out of it, for the proxy alone.
        return self.egress.proxy_for(url.host or "") or None


def ticket_request(robot: Robot) -> dict[str, Any]:
    """The body of a request for a ticket, which needs no access token; it holds the secret."""
    return {
        "clientId": robot.app_key,
        "clientSecret": robot.secrets[0],
        "subscriptions": SUBSCRIPTIONS,
        "ua": USER_AGENT,
    }


def read_ticket(status: int, body: bytes) -> Ticket:
    """Read the response to a request for a ticket.

    Raises:
        RefusedError: if DingTalk refuses, and will again.
        OpeningError: if there is no ticket in it for another reason.
    """
    try:
        fields = read_object(body)
    except InvalidMessageError:
        fields = None
    if status != HTTPStatus.OK:
        raise _refusal(status, fields)
    endpoint, value = string(fields or {}, "endpoint"), string(fields or {}, "ticket")
    if not (endpoint and value):
        raise OpeningError("the response holds no endpoint and ticket; is it DingTalk's?")
    if fault := endpoint_fault(endpoint):
        raise RefusedError(f"DingTalk names an endpoint that is not safe to use: {fault}")
    return Ticket(endpoint, value)


def endpoint_fault(endpoint: str) -> str:
    """Why an endpoint is not to be connected to; "" if it is.

    It is `wss://`, or `ws://` on this machine: a simulator. Nothing but a path may follow the host.
    """
    scheme, separator, rest = endpoint.partition("://")
    if separator and scheme in ("ws", "wss"):
        try:
            origin_of(f"http{scheme[2:]}://{rest}")
        except InvalidOriginError as error:
            return str(error)
        parts = urlsplit(endpoint)
        if parts.query or parts.fragment:
            return "nothing may follow the path"
        if scheme == "wss" or is_loopback(parts.hostname):
            return ""
    return "it must be wss://, or ws:// on this machine"


def _refusal(status: int, fields: dict[str, Any] | None) -> OpeningError:
    """What a response with another status than 200 means; only its code is shown."""
    code = printable(string(fields or {}, "code"), _MAX_CODE_CHARS)
    said = f"HTTP {status}, {code}" if code else f"HTTP {status}"
    if fields is None and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        what = "the response is not DingTalk's, but perhaps a proxy's; see DINGDA_PROXY_URL"
        return RefusedError(f"no connection ({said}): {what}")
    if advice := _ADVICE.get(status):
        return RefusedError(f"DingTalk refuses the connection ({said}): {advice}")
    return OpeningError(f"DingTalk gives no ticket ({said})")


async def _refuse_redirects(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Follow none: the request holds the secret or the ticket, and its origin was checked."""
    response = await handler(request)
    if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
        response.close()
        raise OpeningError(f"DingTalk redirects us elsewhere (HTTP {response.status})")
    return response


async def _read_start(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_RESPONSE_BYTES:
            raise OpeningError("the response holds too much; is it DingTalk's?")
    return bytes(body)


def _describe(error: Exception) -> str:
    """An error's class, and what it means where that is known."""
    name = type(error).__name__
    meaning = next((meaning for kind, meaning in _MEANINGS if isinstance(error, kind)), "")
    return f"{name}: {meaning}" if meaning else name
