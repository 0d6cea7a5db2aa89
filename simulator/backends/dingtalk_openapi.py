"""A fake of DingTalk's OpenAPI: the address book, and private messages from the robot.

Facts: DingTalk's pages on accessToken, user/get, department/get, contact/users/search,
oToMessages/batchSend, oToMessages/readStatus, robot/plugins/query and add-api-permission, and the
errors that their callers report.
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

from dingda.simulator.backends.dingtalk_errors import (
    BAD_MESSAGE,
    EXPIRED,
    FORGOTTEN,
    INVALID_USERID,
    NO_BODY,
    NO_DEPARTMENT,
    NO_MESSAGE_KEY,
    NO_PERMISSION,
    NO_ROBOT_CODE,
    NO_SUCH_DEPARTMENT,
    NO_SUCH_STAFF,
    NO_SUCH_USER,
    OTHER_ROBOT,
    UNAUTHORIZED,
    UNKNOWN_MESSAGE,
    UNKNOWN_ROBOT,
    WRONG_SECRET,
    Error,
    without,
)
from dingda.simulator.backends.private_message import PrivateMessage, values_of

TOKEN_S = 7200
ROOT = 1
"""The department that is the organisation itself."""
_MAX_PAGE = 100
_HEADER = "x-acs-dingtalk-access-token"

SEND = "qyapi_robot_sendmsg"
PERMISSIONS = frozenset(
    {
        SEND,
        "qyapi_get_member",
        "qyapi_get_department_list",
        "qyapi_addresslist_search",
        "Robot.SingleChat.ReadWrite",
    }
)
"""What an application may be granted here; "权限管理" in the console."""


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


async def _ignore(_: PrivateMessage) -> None:
    """The default of `on_private`: do nothing."""


class FakeOpenAPI:
    """One organisation's OpenAPI, as one application sees it.

    Args:
        people: the organisation, iterated again for each call.
        departments: its parts besides the root.
        app_key: the application's AppKey.
        app_secret: its AppSecret.
        robot_code: of the application's robot; "": the AppKey.
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
        robot_code: str = "",
        on_private: Callable[[PrivateMessage], Awaitable[None]] = _ignore,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._people = people
        self._departments = {each.id: each.name for each in departments} | {ROOT: "公司"}
        self._app = (app_key, app_secret)
        self._robot_code = robot_code or app_key
        self._on_private = on_private
        self._now_s = now_s
        self._tokens: dict[str, float] = {}
        self.asked: list[str] = []
        """The paths, in order."""
        self.sent: list[PrivateMessage] = []
        self.permissions = set(PERMISSIONS)
        """What the application has been granted: all, until a test takes some away."""
        self.faults: deque[Error] = deque()
        """Status and body of the next responses but for tokens, one each; then it works again."""
        self.token_faults: deque[Error] = deque()
        """The same for tokens."""

    def forget_tokens(self) -> None:
        """Invalidate every token."""
        self._tokens.clear()

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            Route(path, endpoint, methods=[method])
            for method, path, endpoint in (
                ("POST", "/v1.0/oauth2/accessToken", self._access_token),
                ("POST", "/topapi/v2/user/get", self._user),
                ("POST", "/topapi/v2/department/get", self._department),
                ("POST", "/v1.0/contact/users/search", self._search),
                ("POST", "/v1.0/robot/oToMessages/batchSend", self._send),
                ("GET", "/v1.0/robot/oToMessages/readStatus", self._read_status),
                ("POST", "/v1.0/robot/plugins/query", self._shortcuts),
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
        if error := self._older_api_error(request, "qyapi_get_member"):
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
        if error := self._older_api_error(request, "qyapi_get_department_list"):
            return _respond(error)
        id_ = (await _fields(request) or {}).get("dept_id")
        if not isinstance(id_, int) or isinstance(id_, bool):
            return _respond(NO_DEPARTMENT)
        if id_ not in self._departments:
            return _respond(NO_SUCH_DEPARTMENT)
        parent = {} if id_ == ROOT else {"parent_id": ROOT}
        result = {"dept_id": id_, "name": self._departments[id_], **parent}
        return JSONResponse({"errcode": 0, "errmsg": "ok", "result": result})

    def _older_api_error(self, request: Request, permission: str) -> Error | None:
        """The older API's error for a call that needs a permission; None if there is none."""
        self.asked.append(request.url.path)
        if self.faults:
            return self.faults.popleft()
        token = request.query_params.get("access_token", "")
        if not self._is_known(token):
            return EXPIRED if token in self._tokens else FORGOTTEN
        return None if permission in self.permissions else NO_PERMISSION

    def _newer_api_error(self, request: Request, permission: str) -> Error | None:
        """The same for the newer API."""
        self.asked.append(request.url.path)
        if self.faults:
            return self.faults.popleft()
        if not self._is_known(request.headers.get(_HEADER, "")):
            return UNAUTHORIZED
        return None if permission in self.permissions else without(permission)

    async def _search(self, request: Request) -> JSONResponse:
        if error := self._newer_api_error(request, "qyapi_addresslist_search"):
            return _respond(error)
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
        if error := self._newer_api_error(request, SEND):
            return _respond(error)
        fields = await _fields(request)
        if fields is None:
            return _respond(NO_BODY)
        values = values_of(fields)
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

    async def _read_status(self, request: Request) -> JSONResponse:
        """Whether a message has been read; none is remembered here."""
        if error := self._newer_api_error(request, SEND):
            return _respond(error)
        if not request.query_params.get("robotCode"):
            return _respond(NO_ROBOT_CODE)
        if not request.query_params.get("processQueryKey"):
            return _respond(NO_MESSAGE_KEY)
        is_ours = request.query_params["robotCode"] == self._robot_code
        return _respond(UNKNOWN_MESSAGE if is_ours else UNKNOWN_ROBOT)

    async def _shortcuts(self, request: Request) -> JSONResponse:
        if error := self._newer_api_error(request, "Robot.SingleChat.ReadWrite"):
            return _respond(error)
        if (await _fields(request) or {}).get("robotCode") != self._robot_code:
            return _respond(OTHER_ROBOT)
        return JSONResponse({"pluginInfoList": []})

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


def _respond(fault: Error) -> JSONResponse:
    status, body = fault
    return JSONResponse(body, status)
