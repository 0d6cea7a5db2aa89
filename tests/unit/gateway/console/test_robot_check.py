"""What `dingda check` finds out about robots, with DingTalk's responses as a script."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from dingda.gateway.console.openapi import Answer, Call, DingTalk, NoResponse, Response
from dingda.gateway.console.robot_check import check_robots
from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.runtime.finding import Finding, Severity

OK, WARNING = Severity.OK, Severity.WARNING
ROBOT = Robot("dingbot", app_key="dingbot", secrets=("canary-secret",))
STREAM = replace(ROBOT, mode="stream")
TOKEN = "/v1.0/oauth2/accessToken"
OPEN = "/v1.0/gateway/connections/open"
READ_STATUS = "/v1.0/robot/oToMessages/readStatus"
SHORTCUTS = "/v1.0/robot/plugins/query"
USER = "/topapi/v2/user/get"
DEPARTMENT = "/topapi/v2/department/get"
SEARCH = "/v1.0/contact/users/search"
ENDPOINT = "wss://stream.dingtalk.example:443/connect"
DENIED = "Forbidden.AccessDenied.AccessTokenPermissionDenied"
GOOD: dict[str, Answer] = {
    TOKEN: Response(200, {"accessToken": "canary-token", "expireIn": 7200}),
    OPEN: Response(200, {"endpoint": ENDPOINT, "ticket": "canary-ticket"}),
    READ_STATUS: Response(400, {"code": "invalid.processQueryKey"}),
    SHORTCUTS: Response(200, {"pluginInfoList": []}),
    USER: Response(200, {"errcode": 60121, "errmsg": "找不到该用户"}),
    DEPARTMENT: Response(200, {"errcode": 0, "result": {"name": "公司"}}),
    SEARCH: Response(200, {"hasMore": False, "totalCount": 0, "list": []}),
    "/connect": Response(400, None),
}
"""What DingTalk answers where nothing is missing, by path."""


class Script:
    """A DingTalk that answers as it is written, and notes its calls."""

    def __init__(self, **responses: Answer) -> None:
        self.responses: dict[str, Answer] = {**GOOD, **responses}
        self.calls: list[Call] = []

    async def ask(self, call: Call) -> Answer:
        self.calls.append(call)
        return self.responses["/" + call.url.split("/", 3)[3]]

    async def findings(self, *robots: Robot, takes_any_code: bool = False) -> list[Finding]:
        dingtalk = DingTalk(self.ask, "https://api.example", "https://oapi.example")
        return await check_robots(Robots(robots, takes_any_code), dingtalk)

    async def warnings(self, *robots: Robot, **kind: bool) -> dict[str, Finding]:
        found = await self.findings(*robots, **kind)
        assert "canary" not in "".join(map(str, found))
        return {each.name: each for each in found if each.severity is WARNING}


def denied(*scopes: str) -> Response:
    return Response(403, {"code": DENIED, "accessdenieddetail": {"requiredScopes": list(scopes)}})


async def test_nothing_is_missing_where_every_call_may_be_made() -> None:
    found = await Script().findings(ROBOT, STREAM)
    assert {each.severity for each in found} == {OK}
    names = ["credentials", "private-answers", "people", "departments", "names"]
    assert [each.name for each in found] == [
        *(*names, "http-mode"),
        *(*names, "stream-mode", "events"),
    ]
    assert {each.robot for each in found} == {"dingbot"}


async def test_no_call_sends_anything_or_names_anybody() -> None:
    script = Script()
    await script.findings(STREAM)
    paths = {call.url.rpartition("example")[2] for call in script.calls}
    assert paths == {TOKEN, OPEN, READ_STATUS, USER, DEPARTMENT, SEARCH, ":443/connect"}
    named = [{**call.params, **(call.json or {})} for call in script.calls]
    people = [each[key] for each in named for key in ("userid", "queryWord") if key in each]
    assert people == ["dingda-check", "dingda-check"]


async def test_a_robot_without_a_client_id_or_a_secret_is_not_asked_about() -> None:
    script = Script()
    found = await script.findings(replace(ROBOT, app_key=""), replace(ROBOT, secrets=()))
    assert found == []
    assert script.calls == []


@pytest.mark.parametrize("code", ["invalidClientIdOrSecret", "authFailed"])
async def test_wrong_credentials_are_told_once_whoever_tells_them(code: str) -> None:
    wrong = Response(401, {"code": code, "message": "鉴权失败"})
    script = Script(**{TOKEN: wrong, OPEN: wrong})
    found = await script.warnings(STREAM)
    assert list(found) == ["credentials"]
    assert "凭证与基础信息" in found["credentials"].advice
    assert {call.url.rpartition("example")[2] for call in script.calls} == {TOKEN, OPEN}


async def test_wrong_credentials_are_told_once_when_both_tell_them_in_words_of_their_own() -> None:
    script = Script(
        **{
            TOKEN: Response(400, {"code": "invalidClientIdOrSecret", "message": "…"}),
            OPEN: Response(401, {"code": "authFailed", "message": "鉴权失败"}),
        }
    )
    found = await script.findings(STREAM)
    assert [each.name for each in found if each.severity is Severity.WARNING] == ["credentials"]


@pytest.mark.parametrize(
    ("path", "response", "name", "code"),
    [
        (READ_STATUS, denied("qyapi_robot_sendmsg"), "private-answers", "qyapi_robot_sendmsg"),
        (SEARCH, denied(), "names", "qyapi_addresslist_search"),
        (USER, Response(200, {"errcode": 88, "sub_code": "60011"}), "people", "qyapi_get_member"),
        (
            DEPARTMENT,
            Response(200, {"errcode": 60011}),
            "departments",
            "qyapi_get_department_list",
        ),
    ],
)
async def test_a_permission_that_is_missing_is_named_with_where_to_get_it(
    path: str, response: Response, name: str, code: str
) -> None:
    found = await Script(**{path: response}).warnings(ROBOT)
    assert list(found) == [name]
    assert code in found[name].what
    assert "权限管理" in found[name].advice
    assert "版本管理与发布" in found[name].advice


async def test_dingtalks_own_word_for_the_missing_permission_is_the_one_that_is_told() -> None:
    found = await Script(**{READ_STATUS: denied("Robot.New.Send")}).warnings(ROBOT)
    assert "Robot.New.Send" in found["private-answers"].what


@pytest.mark.parametrize(
    "code", ["invalidParameter.robotCode.notExsit", "invalidParameter.robotCode.auth"]
)
async def test_a_robot_that_dingtalk_does_not_know_is_told(code: str) -> None:
    found = await Script(**{READ_STATUS: Response(400, {"code": code})}).warnings(ROBOT)
    assert list(found) == ["robot-code"]
    assert "RobotCode" in found["robot-code"].advice


async def test_a_robot_that_is_switched_off_is_told() -> None:
    stopped = Response(400, {"code": "template.stopped"})
    found = await Script(**{READ_STATUS: stopped}).warnings(ROBOT)
    assert "switched off" in found["robot-code"].what


async def test_a_code_that_is_not_the_client_id_is_compared_with_the_application() -> None:
    other = replace(ROBOT, code="dingother")
    script = Script(**{SHORTCUTS: Response(400, {"code": "invalidRequest.robotCodeNotMatch"})})
    found = await script.warnings(other)
    assert "dingother" in found["robot-code"].what
    assert [call.json for call in script.calls if call.url.endswith(SHORTCUTS)] == [
        {"robotCode": "dingother"}
    ]
    assert await Script().warnings(other) == {}


async def test_that_a_code_cannot_be_compared_is_said_and_is_no_fault() -> None:
    script = Script(**{SHORTCUTS: denied("Robot.SingleChat.ReadWrite")})
    found = await script.findings(replace(ROBOT, code="dingother"))
    code = next(each for each in found if each.name == "robot-code")
    assert (code.severity, "Robot.SingleChat.ReadWrite" in code.what) == (OK, True)


async def test_a_foreign_address_is_told_once() -> None:
    foreign = Response(403, {"code": "Forbidden.AccessDenied.IpNotInWhiteList"})
    found = await Script(**{READ_STATUS: foreign, SEARCH: foreign}).findings(ROBOT)
    told = [each for each in found if each.severity is WARNING]
    assert [each.name for each in told] == ["address"]
    assert "服务器出口IP" in told[0].advice


async def test_a_quota_that_is_used_up_is_told() -> None:
    empty = Response(403, {"code": "Forbidden.AccessDenied.ApiCountLimitForOrg"})
    found = await Script(**{READ_STATUS: empty}).warnings(ROBOT)
    assert list(found) == ["quota"]


async def test_a_host_that_is_not_reached_is_told_with_the_port_to_open() -> None:
    found = await Script(**{TOKEN: NoResponse("TimeoutError")}).warnings(ROBOT)
    assert list(found) == ["network"]
    assert "api.example can't be reached (TimeoutError)" in found["network"].what
    assert "443" in found["network"].advice


async def test_a_proxy_that_reads_tls_is_told() -> None:
    untrusted = NoResponse("ClientConnectorCertificateError", is_untrusted=True)
    found = await Script(**{TOKEN: untrusted}).warnings(ROBOT)
    assert "certificate" in found["network"].what


async def test_a_page_in_place_of_dingtalk_is_told() -> None:
    found = await Script(**{TOKEN: Response(200, None)}).warnings(ROBOT)
    assert "not DingTalk" in found["network"].what


@pytest.mark.parametrize("status", [400, 200])
async def test_a_token_that_is_no_text_is_a_refusal(status: int) -> None:
    odd = Response(status, {"accessToken": 7, "code": "odd"})
    assert list(await Script(**{TOKEN: odd}).warnings(ROBOT)) == ["refused"]


async def test_a_400_at_the_opening_names_the_three_things_that_it_may_be() -> None:
    refused = Response(400, {"code": "invalidParameter"})
    found = await Script(**{OPEN: refused}).warnings(STREAM)
    assert list(found) == ["stream-mode"]
    for word in ("消息接收模式", "版本管理与发布", "服务器出口IP"):
        assert word in found["stream-mode"].advice


@pytest.mark.parametrize(
    ("response", "name"),
    [
        (Response(400, None), "network"),
        (Response(503, None), "busy"),
        (Response(403, {"code": "Forbidden.AccessDenied.ApiCountLimitForOrg"}), "quota"),
        (Response(200, {"endpoint": "https://elsewhere.example/", "ticket": "t"}), "refused"),
        (Response(200, {}), "refused"),
    ],
)
async def test_another_answer_at_the_opening_is_told_as_what_it_is(
    response: Response, name: str
) -> None:
    assert list(await Script(**{OPEN: response}).warnings(STREAM)) == [name]


async def test_the_host_of_the_connection_is_tried_without_the_ticket() -> None:
    script = Script(**{"/connect": NoResponse("TimeoutError")})
    found = await script.warnings(STREAM)
    assert "stream.dingtalk.example can't be reached" in found["network"].what
    tried = next(call for call in script.calls if call.url.endswith("/connect"))
    assert (tried.url, tried.params) == ("https://stream.dingtalk.example:443/connect", {})


async def test_the_robot_of_the_plain_settings_may_be_in_either_mode() -> None:
    found = await Script().findings(ROBOT, takes_any_code=True)
    assert {"stream-mode", "http-mode"} <= {each.name for each in found}


async def test_a_robot_in_http_mode_opens_no_connection() -> None:
    script = Script()
    await script.findings(ROBOT)
    assert not [call for call in script.calls if call.url.endswith(OPEN)]


async def test_several_robots_are_asked_about_at_once_and_told_in_their_order() -> None:
    robots = [replace(ROBOT, name=f"bot{n}", app_key=f"ding{n}", code="") for n in range(3)]
    script, both = Script(), asyncio.Barrier(len(robots))

    async def ask(call: Call) -> Answer:
        if call.url.endswith(TOKEN):
            await both.wait()  # none is answered until all are asked
        return await script.ask(call)

    async with asyncio.timeout(20):
        dingtalk = DingTalk(ask, "https://api.example", "https://oapi.example")
        found = await check_robots(Robots(tuple(robots)), dingtalk)
    assert list(dict.fromkeys(each.robot for each in found)) == ["bot0", "bot1", "bot2"]


async def test_each_robot_is_asked_about_with_its_own_credentials() -> None:
    script = Script()
    other = Robot("dingb", app_key="dingb", secrets=("new", "old"))
    await script.findings(ROBOT, other)
    signed_in: list[Any] = [call.json for call in script.calls if call.url.endswith(TOKEN)]
    assert signed_in == [
        {"appKey": "dingbot", "appSecret": "canary-secret"},
        {"appKey": "dingb", "appSecret": "new"},
    ]


def test_a_finding_about_a_robot_names_it() -> None:
    finding = Finding("people", WARNING, "missing", "get it", robot="人事助手")
    assert str(finding) == "warning: 人事助手: people: missing; get it"
