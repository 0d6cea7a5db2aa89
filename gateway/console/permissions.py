"""The permissions that a robot may need, each tried with a call that finds nothing.

The gateway before DingTalk's APIs says that a permission is missing; so any answer of the API
itself says that it is there (inferred from the codes, which the gateway has for itself). The calls
ask for a message and a person that do not exist, and for the organisation's name: nothing is sent
or changed.

Sources: DingTalk's pages on oToMessages/readStatus, robot/plugins/query, topapi/v2/user/get,
topapi/v2/department/get, contact/users/search and add-api-permission.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dingda.gateway.console.openapi import (
    Answer,
    Call,
    DingTalk,
    Meaning,
    Response,
    meaning_of,
)
from dingda.gateway.console.troubles import trouble
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.runtime.finding import Finding, Severity
from dingda.shared.runtime.logs import printable

_TOKEN_HEADER = "x-acs-dingtalk-access-token"  # noqa: S105 - a header's name
_NOBODY = "dingda-check"
"""A userid, a name and a message's key that nobody and nothing has."""
_ROOT = 1
"""The department that is the organisation."""
_SHORTCUTS = "Robot.SingleChat.ReadWrite"
"""What the one call needs whose documented errors compare a robot's code with the application."""
_STOPPED = ("bot.stopped", "template.stopped", "invalidRequest.robotIsStop")
_UNKNOWN = (
    "invalidParameter.robotCode",
    "invalidRequest.robotCodeNotMatch",
    "invalidRequest.robotNotExist",
    "template.not.existed",
    "resource.not.found",
)
"""What the codes for a robot that isn't there, or isn't this application's, begin with."""

_PUBLISH = "then 版本管理与发布 > 创建新版本"


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission of an application, and a call that needs it."""

    finding: str
    code: str
    """What one searches in the console's 权限管理."""
    title: str
    """DingTalk's name of it."""
    used_for: str
    call: Callable[[DingTalk, Robot, str], Call]


def _read_status(dingtalk: DingTalk, robot: Robot, token: str) -> Call:
    url = f"{dingtalk.openapi_url}/v1.0/robot/oToMessages/readStatus"
    params = {"robotCode": robot.openapi_code, "processQueryKey": _NOBODY}
    return Call("GET", url, params, headers={_TOKEN_HEADER: token})


def _user(dingtalk: DingTalk, _: Robot, token: str) -> Call:
    url = f"{dingtalk.oapi_url}/topapi/v2/user/get"
    return Call("POST", url, {"access_token": token}, {"userid": _NOBODY})


def _department(dingtalk: DingTalk, _: Robot, token: str) -> Call:
    url = f"{dingtalk.oapi_url}/topapi/v2/department/get"
    return Call("POST", url, {"access_token": token}, {"dept_id": _ROOT})


def _search(dingtalk: DingTalk, _: Robot, token: str) -> Call:
    url = f"{dingtalk.openapi_url}/v1.0/contact/users/search"
    query = {"queryWord": _NOBODY, "offset": 0, "size": 1, "fullMatchField": 1}
    return Call("POST", url, json=query, headers={_TOKEN_HEADER: token})


def _shortcuts(dingtalk: DingTalk, robot: Robot, token: str) -> Call:
    url = f"{dingtalk.openapi_url}/v1.0/robot/plugins/query"
    return Call("POST", url, json={"robotCode": robot.openapi_code}, headers={_TOKEN_HEADER: token})


PERMISSIONS = (
    Permission(
        "private-answers",
        "qyapi_robot_sendmsg",
        "企业内机器人发送消息权限",
        "private answers",
        _read_status,
    ),
    Permission(
        "people", "qyapi_get_member", "成员信息读权限", "skills that look people up by id", _user
    ),
    Permission(
        "departments",
        "qyapi_get_department_list",
        "通讯录部门信息读权限",
        "skills that look departments up",
        _department,
    ),
    Permission(
        "names",
        "qyapi_addresslist_search",
        "搜索企业通讯录的权限",
        "skills that look people up by name",
        _search,
    ),
)


@dataclass(frozen=True, slots=True)
class Question:
    """A call, and how its response is judged."""

    call: Call
    judge: Callable[[Call, Answer], Finding]


def questions(dingtalk: DingTalk, robot: Robot, token: str) -> list[Question]:
    """What is to be asked about a robot in the name of its application.

    Args:
        dingtalk: where it is called.
        robot: the robot.
        token: an access token of its application.
    """
    asked = [
        Question(each.call(dingtalk, robot, token), partial(_judge_permission, each, robot))
        for each in PERMISSIONS
    ]
    if robot.openapi_code != robot.app_key:
        call = _shortcuts(dingtalk, robot, token)
        asked.append(Question(call, partial(_judge_code, robot)))
    return asked


def _judge_permission(
    permission: Permission, robot: Robot, call: Call, response: Answer
) -> Finding:
    match meaning_of(response):
        case Meaning.ALLOWED:
            what = f"{permission.code} is there, for {permission.used_for}"
            ok = Finding(permission.finding, Severity.OK, what)
            return _robot_fault(robot, response) or ok
        case Meaning.NO_PERMISSION:
            named = response.missing_permissions if isinstance(response, Response) else ()
            missing = f"{', '.join(named) or permission.code} ({permission.title})"
            what = f"the permission {missing} is missing, for {permission.used_for}"
            advice = f"开发配置 > 权限管理: search it, 立即开通; {_PUBLISH}"
            return Finding(permission.finding, Severity.WARNING, what, advice)
        case _:
            return trouble(call, response)


def _judge_code(robot: Robot, call: Call, response: Answer) -> Finding:
    """Whether a code that is not the Client ID is this application's."""
    code = printable(robot.openapi_code)
    match meaning_of(response):
        case Meaning.ALLOWED:
            ok = Finding("robot-code", Severity.OK, f"{code} is this application's")
            return _robot_fault(robot, response) or ok
        case Meaning.NO_PERMISSION:
            what = f"whether {code} is this application's can't be asked without {_SHORTCUTS}"
            return Finding("robot-code", Severity.OK, what)
        case _:
            return trouble(call, response)


def _robot_fault(robot: Robot, response: Answer) -> Finding | None:
    """What DingTalk finds wrong with the robot, in a response to a call that names it."""
    said = response.code if isinstance(response, Response) else ""
    if said.startswith(_UNKNOWN):
        what = f"DingTalk knows no robot {printable(robot.openapi_code)} of this application"
        advice = (
            "copy RobotCode from 应用能力 > 机器人 (DINGDA_ROBOT_CODE, or code in DINGDA_ROBOTS), "
            f"or leave it out where it is the Client ID; {_PUBLISH}"
        )
        return Finding("robot-code", Severity.WARNING, what, advice)
    if said.startswith(_STOPPED):
        advice = f"应用能力 > 机器人: switch it on; {_PUBLISH}"
        return Finding("robot-code", Severity.WARNING, "the robot is switched off", advice)
    return None
