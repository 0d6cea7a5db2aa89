"""A stand-in for DingTalk's OpenAPI: the address book, and private messages from the robot.

Facts: DingTalk's pages on accessToken, user/get, contact/users/search and oToMessages/batchSend,
and the errors that their callers report.
"""

import json
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

TOKEN_S = 7200
_HEADER = "x-acs-dingtalk-access-token"

QPS_LIMIT = (403, {"code": "Forbidden.AccessDenied.QpsLimitForApi", "message": "too fast"})
NO_PERMISSION = (200, {"errcode": 88, "sub_code": "60011", "sub_msg": "没有调用该接口的权限"})
BUSY = (200, {"errcode": -1, "errmsg": "系统繁忙"})
FORGOTTEN = (200, {"errcode": 40014, "errmsg": "不合法的access_token"})
UNAUTHORIZED = (401, {"code": "InvalidAuthentication", "message": "不合法的access_token"})
OVERLOADED = (503, {"code": "ServiceUnavailable", "message": "try later"})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the organisation."""

    userid: str
    name: str
    manager_userid: str = ""
    """The direct manager; "" where nobody filled it in."""


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """What the robot sent to somebody's single chat."""

    userid: str
    key: str
    """The template, such as sampleText."""
    values: dict[str, str]

    def to_payload(self) -> dict[str, Any]:
        """The same as a reply to a sessionWebhook would be, which is how the chat shows it."""
        values = self.values
        title_and_text = {name: values.get(name, "") for name in ("title", "text")}
        if self.key == "sampleText":
            return {"msgtype": "text", "text": {"content": values["content"]}}
        if self.key == "sampleMarkdown":
            return {"msgtype": "markdown", "markdown": title_and_text}
        if "singleURL" in values:
            link = {name: values[name] for name in ("singleTitle", "singleURL")}
            return {"msgtype": "actionCard", "actionCard": title_and_text | link}
        count = sum(name.startswith("actionURL") for name in values)
        buttons = [
            {"title": values[f"actionTitle{n}"], "actionURL": values[f"actionURL{n}"]}
            for n in range(1, count + 1)
        ]
        return {"msgtype": "actionCard", "actionCard": {**title_and_text, "btns": buttons}}


async def _nobody(_: PrivateMessage) -> None:
    """Where nobody wants to know."""


class OpenAPI:
    """One organisation's OpenAPI, as one application sees it.

    Args:
        people: the organisation.
        app_key: the application's AppKey.
        app_secret: its AppSecret.
        on_private: is told of each private message.
        now_s: the clock, in seconds.
    """

    def __init__(
        self,
        people: Sequence[Person],
        *,
        app_key: str,
        app_secret: str,
        on_private: Callable[[PrivateMessage], Awaitable[None]] = _nobody,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._people = {person.userid: person for person in people}
        self._app = (app_key, app_secret)
        self._on_private = on_private
        self._now_s = now_s
        self._tokens: dict[str, float] = {}
        self.asked: list[str] = []
        """The paths, in order."""
        self.sent: list[PrivateMessage] = []
        self.faults: deque[tuple[int, dict[str, Any]]] = deque()
        """Status and body of the next answers but for tokens, one each; then it works again."""
        self.token_faults: deque[tuple[int, dict[str, Any]]] = deque()
        """The same for tokens."""

    def forget_tokens(self) -> None:
        """No token that was given counts any more."""
        self._tokens.clear()

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            Route(path, endpoint, methods=["POST"])
            for path, endpoint in (
                ("/v1.0/oauth2/accessToken", self._access_token),
                ("/topapi/v2/user/get", self._user),
                ("/v1.0/contact/users/search", self._search),
                ("/v1.0/robot/oToMessages/batchSend", self._send),
            )
        ]

    def app(self) -> Starlette:
        """As an ASGI application."""
        return Starlette(routes=self.routes())

    async def _access_token(self, request: Request) -> JSONResponse:
        self.asked.append(request.url.path)
        if self.token_faults:
            return _answer(self.token_faults.popleft())
        fields = await _fields(request)
        if fields is None:
            return _refused("Missingbody", "body is mandatory for this action.")
        if (fields.get("appKey"), fields.get("appSecret")) != self._app:
            return _refused("invalidClientIdOrSecret", "无效的clientId或者clientSecret")
        token = secrets.token_hex(16)
        self._tokens[token] = self._now_s() + TOKEN_S
        return JSONResponse({"accessToken": token, "expireIn": TOKEN_S})

    async def _user(self, request: Request) -> JSONResponse:
        self.asked.append(request.url.path)
        if self.faults:
            return _answer(self.faults.popleft())
        if not self._is_known(request.query_params.get("access_token", "")):
            return _answer(FORGOTTEN)
        fields = await _fields(request) or {}
        person = self._people.get(str(fields.get("userid")))
        if person is None:
            return JSONResponse({"errcode": 60121, "errmsg": "找不到该用户"})
        # The manager is left out, not empty, where there is none.
        manager = {"manager_userid": person.manager_userid} if person.manager_userid else {}
        result = {"userid": person.userid, "name": person.name, "active": True, **manager}
        return JSONResponse({"errcode": 0, "errmsg": "ok", "result": result})

    async def _search(self, request: Request) -> JSONResponse:
        self.asked.append(request.url.path)
        if self.faults:
            return _answer(self.faults.popleft())
        if not self._is_known(request.headers.get(_HEADER, "")):
            return _answer(UNAUTHORIZED)
        fields = await _fields(request) or {}
        name = fields.get("queryWord")
        found = [person.userid for person in self._people.values() if person.name == name]
        page = found[: int(fields.get("size", 10))]
        return JSONResponse({"hasMore": False, "totalCount": len(found), "list": page})

    async def _send(self, request: Request) -> JSONResponse:
        self.asked.append(request.url.path)
        if self.faults:
            return _answer(self.faults.popleft())
        if not self._is_known(request.headers.get(_HEADER, "")):
            return _answer(UNAUTHORIZED)
        fields = await _fields(request) or {}
        invalid = [each for each in fields.get("userIds", ()) if each not in self._people]
        for userid in fields.get("userIds", ()):
            if userid in self._people:
                values = json.loads(fields["msgParam"])
                message = PrivateMessage(userid, fields["msgKey"], values)
                self.sent.append(message)
                await self._on_private(message)
        return JSONResponse(
            {
                "processQueryKey": secrets.token_hex(8),
                "invalidStaffIdList": invalid,
                "flowControlledStaffIdList": [],
            }
        )

    def _is_known(self, token: str) -> bool:
        return self._tokens.get(token, 0.0) > self._now_s()


async def _fields(request: Request) -> dict[str, Any] | None:
    """The body's fields; None where it isn't JSON."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return None
    fields: dict[str, Any] = json.loads(await request.body())
    return fields


def _answer(fault: tuple[int, dict[str, Any]]) -> JSONResponse:
    status, body = fault
    return JSONResponse(body, status)


def _refused(code: str, message: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": message, "requestid": "0"}, 400)
