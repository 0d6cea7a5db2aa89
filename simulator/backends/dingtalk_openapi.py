"""A fake of DingTalk's OpenAPI: the address book, and private messages from the robot.

Facts: DingTalk's pages on accessToken, user/get, department/get, contact/users/search,
oToMessages/batchSend, oToMessages/readStatus, robot/plugins/query and add-api-permission, and the
errors that their callers report.
"""

import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from dingda.simulator.backends.dingtalk_errors import (
    BAD_MESSAGE,
    INVALID_USERID,
    NO_BODY,
    NO_DEPARTMENT,
    NO_MESSAGE_KEY,
    NO_ROBOT_CODE,
    NO_SUCH_DEPARTMENT,
    NO_SUCH_STAFF,
    NO_SUCH_USER,
    OTHER_ROBOT,
    UNKNOWN_MESSAGE,
    UNKNOWN_ROBOT,
)
from dingda.simulator.backends.openapi_access import (
    PERMISSIONS,
    SEND,
    TOKEN_S,
    Answer,
    OpenAPIAccess,
    fields_of,
)
from dingda.simulator.backends.private_message import PrivateMessage, values_of

__all__ = ["PERMISSIONS", "ROOT", "SEND", "TOKEN_S", "Department", "FakeOpenAPI", "Person"]

ROOT = 1
"""The department that is the organisation itself."""
_MAX_PAGE = 100


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


class FakeOpenAPI(OpenAPIAccess):
    """One organisation's OpenAPI, as one application sees it.

    Args:
        people: the organisation, iterated again for each call.
        departments: its parts besides the root, iterated again for each call.
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
        super().__init__(app_key=app_key, app_secret=app_secret, now_s=now_s)
        self._people = people
        self._departments = departments
        self.robot_codes = {robot_code or app_key}
        """Of the applications' robots."""
        self._on_private = on_private
        self.sent: list[PrivateMessage] = []

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            self.token_route(),
            self.older("POST", "/topapi/v2/user/get", "qyapi_get_member", self._user),
            self.older(
                "POST", "/topapi/v2/department/get", "qyapi_get_department_list", self._department
            ),
            self.newer(
                "POST", "/v1.0/contact/users/search", "qyapi_addresslist_search", self._search
            ),
            self.newer("POST", "/v1.0/robot/oToMessages/batchSend", SEND, self._send),
            self.newer("GET", "/v1.0/robot/oToMessages/readStatus", SEND, self._read_status),
            self.newer(
                "POST",
                "/v1.0/robot/plugins/query",
                "Robot.SingleChat.ReadWrite",
                self._shortcuts,
            ),
        ]

    def app(self) -> Starlette:
        """As an ASGI application."""
        return Starlette(routes=self.routes())

    async def _user(self, request: Request) -> Answer:
        userid = (await fields_of(request) or {}).get("userid")
        if not isinstance(userid, str) or not userid or userid.startswith("$:LWCP"):
            return INVALID_USERID
        person = self.person(userid)
        if person is None:
            return NO_SUCH_USER
        # Fields without a value are left out, not empty.
        filled = {"manager_userid": person.manager_userid, "title": person.title}
        result = {
            "userid": person.userid,
            "name": person.name,
            "active": True,
            "dept_id_list": list(person.departments),
            **{name: value for name, value in filled.items() if value},
        }
        return 200, {"errcode": 0, "errmsg": "ok", "result": result}

    async def _department(self, request: Request) -> Answer:
        id_ = (await fields_of(request) or {}).get("dept_id")
        if not isinstance(id_, int) or isinstance(id_, bool):
            return NO_DEPARTMENT
        names = {each.id: each.name for each in self._departments} | {ROOT: "公司"}
        if id_ not in names:
            return NO_SUCH_DEPARTMENT
        parent = {} if id_ == ROOT else {"parent_id": ROOT}
        result = {"dept_id": id_, "name": names[id_], **parent}
        return 200, {"errcode": 0, "errmsg": "ok", "result": result}

    async def _search(self, request: Request) -> Answer:
        fields = await fields_of(request) or {}
        word, first = str(fields.get("queryWord") or ""), int(fields.get("offset", 0))
        is_whole = fields.get("fullMatchField") == 1
        found = [
            person.userid
            for person in self._people
            if not person.is_external
            and (person.name == word if is_whole else word and word in person.name)
        ]
        last = first + min(int(fields.get("size", 10)), _MAX_PAGE)
        return 200, {
            "hasMore": last < len(found),
            "totalCount": len(found),
            "list": found[first:last],
        }

    async def _send(self, request: Request) -> Answer:
        fields = await fields_of(request)
        if fields is None:
            return NO_BODY
        values = values_of(fields)
        if values is None:
            return BAD_MESSAGE
        userids = fields.get("userIds") or []
        known = [userid for userid in userids if self.person(userid)]
        if not known:
            return NO_SUCH_STAFF
        for userid in known:
            robot_code = str(fields.get("robotCode") or "")
            message = PrivateMessage(userid, fields["msgKey"], values, robot_code)
            self.sent.append(message)
            await self._on_private(message)
        return 200, {
            "processQueryKey": secrets.token_hex(8),
            "invalidStaffIdList": [each for each in userids if each not in known],
            "flowControlledStaffIdList": [],
        }

    async def _read_status(self, request: Request) -> Answer:
        """Whether a message has been read; none is remembered here."""
        if not request.query_params.get("robotCode"):
            return NO_ROBOT_CODE
        if not request.query_params.get("processQueryKey"):
            return NO_MESSAGE_KEY
        is_ours = request.query_params["robotCode"] in self.robot_codes
        return UNKNOWN_MESSAGE if is_ours else UNKNOWN_ROBOT

    async def _shortcuts(self, request: Request) -> Answer:
        if (await fields_of(request) or {}).get("robotCode") not in self.robot_codes:
            return OTHER_ROBOT
        return 200, {"pluginInfoList": []}

    def person(self, userid: str) -> Person | None:
        """A member; None if there is none of this userid."""
        members = (person for person in self._people if not person.is_external)
        return next((person for person in members if person.userid == userid), None)
