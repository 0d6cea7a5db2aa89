"""A fake of DingTalk's OpenAPI: the address book, and private messages from the robot.

Facts: DingTalk's pages on accessToken, user/get, department/get, contact/users/search and
oToMessages/batchSend, and the errors that their callers report.
"""

import json
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

TOKEN_S = 7200
ROOT = 1
"""The department that is the organisation itself."""
_MAX_PAGE = 100
_HEADER = "x-acs-dingtalk-access-token"

QPS_LIMIT = (403, {"code": "Forbidden.AccessDenied.QpsLimitForApi", "message": "too fast"})
NO_PERMISSION = (200, {"errcode": 88, "sub_code": "60011", "sub_msg": "没有调用该接口的权限"})
BUSY = (200, {"errcode": -1, "errmsg": "系统繁忙"})
# Captured so, the status of the second as well, which is elsewhere said to be 401.
FORGOTTEN = (200, {"errcode": 88, "sub_code": "40014", "sub_msg": "不合法的access_token"})
UNAUTHORIZED = (400, {"code": "InvalidAuthentication", "message": "不合法的access_token"})
EXPIRED = (200, {"errcode": 88, "sub_code": "42001", "sub_msg": "access_token已过期"})
NO_SUCH_USER = (200, {"errcode": 60121, "errmsg": "找不到该用户"})
NO_SUCH_DEPARTMENT = (200, {"errcode": 60003, "errmsg": "部门不存在"})
NO_DEPARTMENT = (200, {"errcode": 400002, "errmsg": "无效的参数"})
INVALID_USERID = (200, {"errcode": 33012, "errmsg": "无效的USERID"})
NO_BODY = (400, {"code": "Missingbody", "message": "body is mandatory for this action."})
WRONG_SECRET = (
    400,
    {"code": "invalidClientIdOrSecret", "message": "无效的clientId或者clientSecret"},
)
NO_SUCH_STAFF = (400, {"code": "staffId.notExisted", "message": "员工ID不存在"})
# DingTalk documents no error for this.
BAD_MESSAGE = (400, {"code": "invalidParameter.msgParam", "message": "msgParam 不合法"})
OVERLOADED = (503, {"code": "ServiceUnavailable", "message": "try later"})

_TEMPLATES = {
    "sampleText": ("content",),
    "sampleMarkdown": ("title", "text"),
    "sampleActionCard": ("title", "text", "singleTitle", "singleURL"),
    **{
        f"sampleActionCard{count}": (
            *("title", "text"),
            *(f"action{what}{n}" for n in range(1, count + 1) for what in ("Title", "URL")),
        )
        for count in range(2, 6)
    },
}
"""The message templates that a bot fills, and what each needs."""


@dataclass(frozen=True, slots=True)
class Person:
    """A member or an external contact."""

    userid: str
    name: str
    manager_userid: str = ""
    """The direct manager; "" if not filled in."""
    title: str = ""
    departments: tuple[int, ...] = (ROOT,)
    """Department ids."""
    is_external: bool = False
    """Whether they are a contact and no member: DingTalk's member APIs don't know them."""


@dataclass(frozen=True, slots=True)
class Department:
    """A part of the organisation."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """A message from the robot in a single chat."""

    userid: str
    key: str
    """The template, such as sampleText."""
    values: dict[str, str]

    def to_payload(self) -> dict[str, Any]:
        """The same as a reply to a sessionWebhook, which the chat can show."""
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


async def _ignore(_: PrivateMessage) -> None:
    """The default of `on_private`: do nothing."""


class FakeOpenAPI:
    """One organisation's OpenAPI, as one application sees it.

    Args:
        people: the organisation, iterated again for each call.
        departments: its parts besides the root.
        app_key: the application's AppKey.
        app_secret: its AppSecret.
        on_private: called with each private message.
        now_s: the clock, in seconds.
    """

    def __init__(
        self,
        people: Iterable[Person],
        *,
        app_key: str,
        app_secret: str,
        departments: Iterable[Department] = (),
        on_private: Callable[[PrivateMessage], Awaitable[None]] = _ignore,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._people = people
        self._departments = {each.id: each.name for each in departments} | {ROOT: "公司"}
        self._app = (app_key, app_secret)
        self._on_private = on_private
        self._now_s = now_s
        self._tokens: dict[str, float] = {}
        self.asked: list[str] = []
        """The paths, in order."""
        self.sent: list[PrivateMessage] = []
        self.faults: deque[tuple[int, dict[str, Any]]] = deque()
        """Status and body of the next responses but for tokens, one each; then it works again."""
        self.token_faults: deque[tuple[int, dict[str, Any]]] = deque()
        """The same for tokens."""

    def forget_tokens(self) -> None:
        """Invalidate every token."""
        self._tokens.clear()

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            Route(path, endpoint, methods=["POST"])
            for path, endpoint in (
                ("/v1.0/oauth2/accessToken", self._access_token),
                ("/topapi/v2/user/get", self._user),
                ("/topapi/v2/department/get", self._department),
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
            return _respond(self.token_faults.popleft())
        fields = await _fields(request)
        if fields is None:
            return _respond(NO_BODY)
        if (fields.get("appKey"), fields.get("appSecret")) != self._app:
            return _respond(WRONG_SECRET)
        # DingTalk gives the same one again as long as it lives, and prolongs it.
        living = (token for token in self._tokens if self._is_known(token))
        token = next(living, None) or secrets.token_hex(16)
        self._tokens[token] = self._now_s() + TOKEN_S
        return JSONResponse({"accessToken": token, "expireIn": TOKEN_S})

    async def _user(self, request: Request) -> JSONResponse:
        if error := self._older_api_error(request):
            return _respond(error)
        userid = (await _fields(request) or {}).get("userid")
        if not isinstance(userid, str) or not userid or userid.startswith("$:LWCP"):
            return _respond(INVALID_USERID)
        person = self._person(userid)
        if person is None:
            return _respond(NO_SUCH_USER)
        # Fields without a value are left out, not empty.
        filled = {"manager_userid": person.manager_userid, "title": person.title}
        result = {
            "userid": person.userid,
            "name": person.name,
            "active": True,
            "dept_id_list": list(person.departments),
            **{name: value for name, value in filled.items() if value},
        }
        return JSONResponse({"errcode": 0, "errmsg": "ok", "result": result})

    async def _department(self, request: Request) -> JSONResponse:
        if error := self._older_api_error(request):
            return _respond(error)
        id_ = (await _fields(request) or {}).get("dept_id")
        if not isinstance(id_, int) or isinstance(id_, bool):
            return _respond(NO_DEPARTMENT)
        if id_ not in self._departments:
            return _respond(NO_SUCH_DEPARTMENT)
        parent = {} if id_ == ROOT else {"parent_id": ROOT}
        result = {"dept_id": id_, "name": self._departments[id_], **parent}
        return JSONResponse({"errcode": 0, "errmsg": "ok", "result": result})

    def _older_api_error(self, request: Request) -> tuple[int, dict[str, Any]] | None:
        """The older API's error for a call; None if there is none."""
        self.asked.append(request.url.path)
        if self.faults:
            return self.faults.popleft()
        token = request.query_params.get("access_token", "")
        if self._is_known(token):
            return None
        return EXPIRED if token in self._tokens else FORGOTTEN

    async def _search(self, request: Request) -> JSONResponse:
        self.asked.append(request.url.path)
        if self.faults:
            return _respond(self.faults.popleft())
        if not self._is_known(request.headers.get(_HEADER, "")):
            return _respond(UNAUTHORIZED)
        fields = await _fields(request) or {}
        word, first = str(fields.get("queryWord") or ""), int(fields.get("offset", 0))
        is_whole = fields.get("fullMatchField") == 1
        found = [
            person.userid
            for person in self._people
            if not person.is_external
            and (person.name == word if is_whole else word and word in person.name)
        ]
        last = first + min(int(fields.get("size", 10)), _MAX_PAGE)
        return JSONResponse(
            {"hasMore": last < len(found), "totalCount": len(found), "list": found[first:last]}
        )

    async def _send(self, request: Request) -> JSONResponse:
        self.asked.append(request.url.path)
        if self.faults:
            return _respond(self.faults.popleft())
        if not self._is_known(request.headers.get(_HEADER, "")):
            return _respond(UNAUTHORIZED)
        fields = await _fields(request)
        if fields is None:
            return _respond(NO_BODY)
        values = _values_of(fields)
        if values is None:
            return _respond(BAD_MESSAGE)
        userids = fields.get("userIds") or []
        known = [userid for userid in userids if self._person(userid)]
        if not known:
            return _respond(NO_SUCH_STAFF)
        for userid in known:
            message = PrivateMessage(userid, fields["msgKey"], values)
            self.sent.append(message)
            await self._on_private(message)
        return JSONResponse(
            {
                "processQueryKey": secrets.token_hex(8),
                "invalidStaffIdList": [each for each in userids if each not in known],
                "flowControlledStaffIdList": [],
            }
        )

    def _person(self, userid: str) -> Person | None:
        members = (person for person in self._people if not person.is_external)
        return next((person for person in members if person.userid == userid), None)

    def _is_known(self, token: str) -> bool:
        return self._tokens.get(token, 0.0) > self._now_s()


async def _fields(request: Request) -> dict[str, Any] | None:
    """The body's fields; None where it is a form or no JSON object."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return None
    try:
        fields = json.loads(await request.body())
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _values_of(fields: dict[str, Any]) -> dict[str, str] | None:
    """Read the msgParam, which is JSON in a string; None where it can't fill the template."""
    needed = _TEMPLATES.get(str(fields.get("msgKey")))
    try:
        values = json.loads(fields.get("msgParam") or "")
    except (TypeError, ValueError):
        return None
    if needed is None or not isinstance(values, dict):
        return None
    return values if all(values.get(name) for name in needed) else None


def _respond(fault: tuple[int, dict[str, Any]]) -> JSONResponse:
    status, body = fault
    return JSONResponse(body, status)
