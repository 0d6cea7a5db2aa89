"""The fake of DingTalk's OpenAPI responds, and reports errors, as DingTalk does."""

import json
from typing import Any

import httpx
import pytest

from dingda.simulator.backends.dingtalk_errors import BUSY, QPS_LIMIT
from dingda.simulator.backends.dingtalk_openapi import (
    Department,
    FakeOpenAPI,
    Person,
)
from dingda.simulator.backends.private_message import PrivateMessage

TOKEN = "/v1.0/oauth2/accessToken"
USER_GET = "/topapi/v2/user/get"
USER_SEARCH = "/v1.0/contact/users/search"
BATCH_SEND = "/v1.0/robot/oToMessages/batchSend"
PEOPLE = (
    Person("u1", "张三", "u3", "工程师", (1, 7)),
    Person("u2", "李四", "u3"),
    Person("u3", "张三"),
    Person("out", "陈外", is_external=True),
)
READ_STATUS = "/v1.0/robot/oToMessages/readStatus"
SHORTCUTS = "/v1.0/robot/plugins/query"
DEPARTMENT_GET = "/topapi/v2/department/get"
TEXT = {"msgKey": "sampleText", "msgParam": '{"content":"你好"}'}


class Caller:
    """An application that calls it."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.api = FakeOpenAPI(
            PEOPLE,
            app_key="ding",
            app_secret="s",
            departments=[Department(7, "技术部")],
            now_s=lambda: self.now_s,
        )

    async def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.api.app())
        async with httpx.AsyncClient(transport=transport, base_url="https://openapi") as client:
            return await client.post(path, json=body, **options)

    async def token(self) -> str:
        answer = await self.post(TOKEN, {"appKey": "ding", "appSecret": "s"})
        token: str = answer.json()["accessToken"]
        return token

    async def person(self, userid: Any, token: str | None = None) -> dict[str, Any]:
        known = await self.token() if token is None else token
        answer = await self.post(USER_GET, {"userid": userid}, params={"access_token": known})
        assert answer.status_code == 200
        fields: dict[str, Any] = answer.json()
        return fields

    async def department(self, dept_id: Any, token: str | None = None) -> dict[str, Any]:
        known = await self.token() if token is None else token
        body, params = {"dept_id": dept_id}, {"access_token": known}
        answer = await self.post(DEPARTMENT_GET, body, params=params)
        fields: dict[str, Any] = answer.json()
        return fields

    async def v1(self, path: str, body: Any, token: str | None = None) -> httpx.Response:
        known = await self.token() if token is None else token
        return await self.post(path, body, headers={"x-acs-dingtalk-access-token": known})

    async def read_status(self, **params: str) -> str:
        headers = {"x-acs-dingtalk-access-token": await self.token()}
        transport = httpx.ASGITransport(self.api.app())
        async with httpx.AsyncClient(transport=transport, base_url="https://openapi") as client:
            answer = await client.get(READ_STATUS, params=params, headers=headers)
        assert answer.status_code in (400, 403)
        code: str = answer.json()["code"]
        return code

    async def send(self, *userids: str, **fields: Any) -> httpx.Response:
        body = {"robotCode": "ding", "userIds": list(userids), **TEXT, **fields}
        return await self.v1(BATCH_SEND, body)


@pytest.fixture
def caller() -> Caller:
    return Caller()


async def test_a_token_lives_for_two_hours_and_is_given_again_meanwhile(caller: Caller) -> None:
    answer = await caller.post(TOKEN, {"appKey": "ding", "appSecret": "s"})
    assert answer.json() == {"accessToken": await caller.token(), "expireIn": 7200}
    caller.now_s += 7200
    assert await caller.token() != answer.json()["accessToken"]


async def test_being_given_again_prolongs_a_token(caller: Caller) -> None:
    token = await caller.token()
    caller.now_s += 7000
    await caller.token()
    caller.now_s += 7000
    assert (await caller.person("u1", token))["errcode"] == 0


@pytest.mark.parametrize("pair", [{}, {"appKey": "ding"}, {"appKey": "ding", "appSecret": "S"}])
async def test_a_wrong_secret_is_400(caller: Caller, pair: dict[str, str]) -> None:
    answer = await caller.post(TOKEN, pair)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidClientIdOrSecret")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"'])
async def test_what_is_no_json_object_is_no_body(caller: Caller, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await caller.post(TOKEN, None, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "Missingbody")


async def test_a_user_has_a_manager_if_there_is_one(caller: Caller) -> None:
    result = (await caller.person("u1"))["result"]
    assert (result["userid"], result["name"], result["manager_userid"]) == ("u1", "张三", "u3")
    assert (result["title"], result["dept_id_list"]) == ("工程师", [1, 7])
    assert {"manager_userid", "title"}.isdisjoint((await caller.person("u3"))["result"])


async def test_a_department_has_a_name(caller: Caller) -> None:
    assert (await caller.department(7))["result"] == {
        "dept_id": 7,
        "name": "技术部",
        "parent_id": 1,
    }
    assert "parent_id" not in (await caller.department(1))["result"]


@pytest.mark.parametrize(("dept_id", "errcode"), [(8, 60003), ("7", 400002), (None, 400002)])
async def test_a_department_that_is_not_there_has_an_errcode(
    caller: Caller, dept_id: Any, errcode: int
) -> None:
    assert (await caller.department(dept_id))["errcode"] == errcode
    assert (await caller.department(7, "nonsense"))["sub_code"] == "40014"


async def test_a_contact_outside_is_no_member(caller: Caller) -> None:
    assert (await caller.person("out"))["errcode"] == 60121
    query = {"queryWord": "陈外", "offset": 0, "size": 20, "fullMatchField": 1}
    assert (await caller.v1(USER_SEARCH, query)).json()["list"] == []
    assert (await caller.send("out")).json()["code"] == "staffId.notExisted"


@pytest.mark.parametrize(
    ("userid", "errcode"), [("u9", 60121), ("$:LWCP_v1:$abc=", 33012), ("", 33012), (None, 33012)]
)
async def test_an_unknown_user_has_an_errcode(caller: Caller, userid: Any, errcode: int) -> None:
    assert (await caller.person(userid))["errcode"] == errcode


async def test_a_bad_token_is_88_with_its_own_code_beneath(caller: Caller) -> None:
    token = await caller.token()
    assert (await caller.person("u1", "nonsense"))["sub_code"] == "40014"
    caller.now_s += 7200
    expired = await caller.person("u1", token)
    assert (expired["errcode"], expired["sub_code"]) == (88, "42001")
    caller.api.forget_tokens()
    assert (await caller.person("u1", token))["sub_code"] == "40014"


@pytest.mark.parametrize("path", [USER_SEARCH, BATCH_SEND])
@pytest.mark.parametrize("token", ["", "nonsense"])
async def test_the_newer_api_takes_a_living_token_in_a_header(
    caller: Caller, path: str, token: str
) -> None:
    answer = await caller.v1(path, {}, token)
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidAuthentication")


async def test_a_search_finds_the_people_of_exactly_that_name_up_to_a_page(caller: Caller) -> None:
    query = {"queryWord": "张三", "offset": 0, "size": 20, "fullMatchField": 1}
    assert (await caller.v1(USER_SEARCH, query)).json()["list"] == ["u1", "u3"]
    assert (await caller.v1(USER_SEARCH, {**query, "size": 1})).json()["list"] == ["u1"]
    assert (await caller.v1(USER_SEARCH, {**query, "queryWord": "张"})).json()["list"] == []
    part = {"queryWord": "张", "offset": 1, "size": 20}
    assert (await caller.v1(USER_SEARCH, part)).json()["list"] == ["u3"]
    page = (await caller.v1(USER_SEARCH, {**query, "size": 1})).json()
    assert (page["hasMore"], page["totalCount"]) == (True, 2)


async def test_a_message_reaches_known_users_and_lists_the_unknown(caller: Caller) -> None:
    answer = (await caller.send("u1", "u9")).json()
    assert caller.api.sent == [PrivateMessage("u1", "sampleText", {"content": "你好"})]
    assert answer["processQueryKey"]
    assert answer["invalidStaffIdList"] == ["u9"]


@pytest.mark.parametrize("userids", [(), ("u9",), ("$:LWCP_v1:$abc=",)])
async def test_a_message_to_nobody_known_is_an_error(caller: Caller, userids: Any) -> None:
    answer = await caller.send(*userids)
    assert (answer.status_code, answer.json()["code"]) == (400, "staffId.notExisted")


@pytest.mark.parametrize(
    "fields",
    [
        {"msgKey": "sampleActionCard1"},
        {"msgKey": None},
        {"msgParam": {"content": "你好"}},
        {"msgParam": "你好"},
        {"msgParam": "[]"},
        {"msgParam": '{"content":""}'},
        {"msgKey": "sampleMarkdown"},
        {"msgKey": "sampleActionCard2", "msgParam": json.dumps({"title": "t", "text": "x"})},
    ],
)
async def test_a_template_that_cannot_be_filled_is_refused(
    caller: Caller, fields: dict[str, Any]
) -> None:
    answer = await caller.send("u1", **fields)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalidParameter.msgParam")
    assert caller.api.sent == []


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"robotCode": "ding", "processQueryKey": "nothing"}, "invalid.processQueryKey"),
        ({"robotCode": "other", "processQueryKey": "k"}, "invalidParameter.robotCode.notExsit"),
        ({"processQueryKey": "k"}, "invalidParameter.robotCode.missing"),
        ({"robotCode": "ding"}, "invalidParameter.processQueryKey.missing"),
    ],
)
async def test_whether_a_message_was_read_is_asked_with_the_robots_code_and_the_messages_key(
    caller: Caller, params: dict[str, str], code: str
) -> None:
    assert await caller.read_status(**params) == code


async def test_the_shortcuts_of_another_applications_robot_are_refused(caller: Caller) -> None:
    assert (await caller.v1(SHORTCUTS, {"robotCode": "ding"})).json() == {"pluginInfoList": []}
    other = await caller.v1(SHORTCUTS, {"robotCode": "other"})
    assert (other.status_code, other.json()["code"]) == (400, "invalidRequest.robotCodeNotMatch")


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        (USER_SEARCH, "qyapi_addresslist_search"),
        (BATCH_SEND, "qyapi_robot_sendmsg"),
        (SHORTCUTS, "Robot.SingleChat.ReadWrite"),
    ],
)
async def test_without_its_permission_a_call_of_the_newer_api_is_403_and_names_it(
    caller: Caller, path: str, permission: str
) -> None:
    caller.api.permissions.remove(permission)
    answer = await caller.v1(path, {})
    assert answer.status_code == 403
    assert answer.json()["code"] == "Forbidden.AccessDenied.AccessTokenPermissionDenied"
    assert answer.json()["accessdenieddetail"] == {"requiredScopes": [permission]}


async def test_without_its_permission_a_call_of_the_older_api_is_60011(caller: Caller) -> None:
    caller.api.permissions -= {"qyapi_get_member", "qyapi_get_department_list"}
    assert (await caller.person("u1"))["sub_code"] == "60011"
    assert (await caller.department(7))["sub_code"] == "60011"


async def test_a_fault_happens_once(caller: Caller) -> None:
    caller.api.faults += [BUSY, QPS_LIMIT]
    assert (await caller.person("u1"))["errcode"] == -1
    limited = await caller.send("u1")
    assert limited.status_code == 403
    assert limited.json()["code"] == "Forbidden.AccessDenied.QpsLimitForApi"
    assert caller.api.sent == []
    assert (await caller.send("u1")).status_code == 200
