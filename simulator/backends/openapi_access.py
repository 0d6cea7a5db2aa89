"""What every API of DingTalk's checks first: the token, the permission, the rate and the quota.

Facts: DingTalk's pages on accessToken, on permissions and on the limits of calls.
"""

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dingda.simulator.backends.dingtalk_errors import (
    EXPIRED,
    FORGOTTEN,
    NO_BODY,
    NO_PERMISSION,
    NO_TEMPLATE,
    OUT_OF_CALLS,
    QPS_LIMIT,
    SYSTEM_BUSY,
    UNAUTHORIZED,
    UNSAFE,
    WRONG_SECRET,
    Error,
    without,
)
from dingda.simulator.dingtalk.faults import HANG_S
from dingda.simulator.dingtalk.openapi_faults import NO_OPENAPI_FAULTS, OpenAPIFault
from dingda.simulator.dingtalk.openapi_usage import OpenAPIState, OpenAPIUsage

TOKEN_S = 7200
_HEADER = "x-acs-dingtalk-access-token"

SEND = "qyapi_robot_sendmsg"
WRITE_CARD = "Card.Instance.Write"
STREAM_CARD = "Card.Streaming.Write"
BASE = "qyapi_base"
PERMISSIONS = frozenset(
    {
        SEND,
        WRITE_CARD,
        STREAM_CARD,
        BASE,
        "qyapi_get_member",
        "qyapi_get_department_list",
        "qyapi_addresslist_search",
        "Robot.SingleChat.ReadWrite",
    }
)
"""What an application may be granted here; "权限管理" in the console."""

Answer = tuple[int, dict[str, Any]]
"""A status and a body."""
Handler = Callable[[Request], Awaitable[Answer]]
_Endpoint = Callable[[Request], Awaitable[Response]]


async def hang_on() -> None:
    """Let a call wait for longer than any bot does."""
    await asyncio.sleep(HANG_S)


class OpenAPIAccess:
    """The tokens of an organisation's applications, and what they may call.

    Args:
        app_key: an application's AppKey.
        app_secret: its AppSecret.
        now_s: the clock, in seconds.
    """

    def __init__(
        self,
        *,
        app_key: str,
        app_secret: str,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = {app_key: app_secret}
        self._now_s = now_s
        self.usage = OpenAPIUsage(qps=None, monthly_calls=None, now_s=now_s)
        """Counts the calls; without limits, unless it is replaced."""
        self.hang: Callable[[], Awaitable[None]] = hang_on
        """How a call hangs; a server replaces it to end that when it stops."""
        self._tokens: dict[str, float] = {}
        self._owners: dict[str, str] = {}
        """Whose AppKey each token was given to."""
        self.asked: list[str] = []
        """The paths, in order."""
        self.permissions = set(PERMISSIONS)
        """What the application has been granted: all, until a test takes some away."""
        self.faults: deque[Error] = deque()
        """Status and body of the next responses but for tokens, one each; then it works again."""
        self.token_faults: deque[Error] = deque()
        """The same for tokens."""
        self.injected = NO_OPENAPI_FAULTS
        """The fault of all calls, until it is turned off."""

    def admit(self, app_key: str, app_secret: str) -> None:
        """Give tokens to another application."""
        self._secrets[app_key] = app_secret

    @property
    def state(self) -> OpenAPIState:
        """What has been called, and what is left."""
        return self.usage.state(self.injected)

    def forget_tokens(self) -> None:
        """Invalidate every token."""
        self._tokens.clear()

    def count_webhook(self) -> None:
        """Count a message of a custom robot."""
        self.usage.webhooks += 1

    def token_route(self) -> Route:
        """The route of tokens, which count nowhere."""
        return Route("/v1.0/oauth2/accessToken", self._access_token, methods=["POST"])

    def newer(self, method: str, path: str, permission: str, handle: Handler) -> Route:
        """A route of api.dingtalk.com, whose token is in a header."""

        def refuse(request: Request) -> Error | None:
            if not self._is_known(request.headers.get(_HEADER, "")):
                return UNAUTHORIZED
            return None if permission in self.permissions else without(permission)

        return Route(path, self._guarded(refuse, permission, handle), methods=[method])

    def older(self, method: str, path: str, permission: str, handle: Handler) -> Route:
        """A route of oapi.dingtalk.com, whose token is in the query."""

        def refuse(request: Request) -> Error | None:
            token = request.query_params.get("access_token", "")
            if not self._is_known(token):
                return EXPIRED if token in self._tokens else FORGOTTEN
            return None if permission in self.permissions else NO_PERMISSION

        return Route(path, self._guarded(refuse, permission, handle), methods=[method])

    def _guarded(
        self, refuse: Callable[[Request], Error | None], permission: str, handle: Handler
    ) -> _Endpoint:
        async def respond(request: Request) -> Response:
            path = _path_of(request)
            self.asked.append(request.url.path)
            if self.faults:
                return answered(self.faults.popleft())
            fault = self._injected_into(path)
            error = _injected_error(fault, permission, path) or refuse(request) or self._limit(path)
            if error:
                return answered(error)
            # Whoever does it may need to know, as a card does that is not to be delivered.
            request.state.fault = fault
            answer = await handle(request)
            if fault is OpenAPIFault.HANG:
                await self.hang()
            if fault in (OpenAPIFault.HANG, OpenAPIFault.LOST):
                return _CutResponse()
            return answered(answer)

        return respond

    def _injected_into(self, path: str) -> OpenAPIFault | None:
        injected = self.injected
        if not injected.hits(path):
            return None
        if injected.count is not None:
            self.injected = replace(injected, count=injected.count - 1)
        return injected.fault

    def _limit(self, path: str) -> Error | None:
        if self.usage.is_too_fast(path):
            return QPS_LIMIT
        if self.usage.is_used_up():
            return OUT_OF_CALLS
        self.usage.by_api[path] += 1
        return None

    async def _access_token(self, request: Request) -> JSONResponse:
        self.asked.append(request.url.path)
        if self.token_faults:
            return answered(self.token_faults.popleft())
        fields = await fields_of(request)
        if fields is None:
            return answered(NO_BODY)
        app_key = str(fields.get("appKey"))
        if (app_key, fields.get("appSecret")) not in self._secrets.items():
            return answered(WRONG_SECRET)
        # DingTalk gives the same one again as long as it lives, and prolongs it.
        own = (token for token in self._tokens if self._owners.get(token) == app_key)
        token = next(filter(self._is_known, own), None) or secrets.token_hex(16)
        self._owners[token] = app_key
        self._tokens[token] = self._now_s() + TOKEN_S
        return JSONResponse({"accessToken": token, "expireIn": TOKEN_S})

    def _is_known(self, token: str) -> bool:
        return self._tokens.get(token, 0.0) > self._now_s()


async def fields_of(request: Request) -> dict[str, Any] | None:
    """The body's fields; None where it is a form or no JSON object."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return None
    try:
        fields = json.loads(await request.body())
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def answered(answer: Answer) -> JSONResponse:
    """A status and a body as a response."""
    status, body = answer
    return JSONResponse(body, status)


class _CutResponse(Response):
    """Begins a response and never ends it: the server closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"content-type", b"application/json"), (b"content-length", b"27")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": True})


def _injected_error(fault: OpenAPIFault | None, permission: str, path: str) -> Error | None:
    match fault:
        case OpenAPIFault.QPS:
            return QPS_LIMIT
        case OpenAPIFault.QUOTA:
            return OUT_OF_CALLS
        case OpenAPIFault.FORBIDDEN:
            return without(permission)
        case OpenAPIFault.UNAUTHORIZED:
            return UNAUTHORIZED
        case OpenAPIFault.FAIL:
            return SYSTEM_BUSY
        case OpenAPIFault.CONTENT if path.startswith("/v1.0/card/"):
            return UNSAFE
        case OpenAPIFault.TEMPLATE if path.startswith("/v1.0/card/instances"):
            return NO_TEMPLATE
        case _:
            return None


def _path_of(request: Request) -> str:
    """The API's path, without what it is mounted under."""
    return request.url.path.removeprefix(request.scope.get("root_path", ""))
