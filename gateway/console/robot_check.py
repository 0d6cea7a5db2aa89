"""What is missing in DingTalk's console for each robot, found out without sending anything.

Sources: DingTalk's page on oauth2/accessToken; for Stream, open-dingtalk/developerpedia,
docs/learn/stream/protocol.md, and what its callers report of HTTP 400 (docs/connect.md).
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import replace
from http import HTTPStatus

from dingda.gateway.console.openapi import (
    Answer,
    Call,
    DingTalk,
    Meaning,
    NoResponse,
    Response,
    meaning_of,
    open_client,
)
from dingda.gateway.console.permissions import questions
from dingda.gateway.console.troubles import trouble
from dingda.gateway.stream.opening import OPEN_PATH, endpoint_fault, ticket_request
from dingda.shared.dingtalk.fields import string
from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.runtime.egress import Egress
from dingda.shared.runtime.finding import Finding, Severity
from dingda.shared.runtime.settings import Settings


def check_console(settings: Settings) -> list[Finding]:
    """Ask DingTalk about all robots at once, within the time of two calls (3 s each).

    Nothing is sent to anybody, and nothing changed. Calls are made for robots with an AppKey and a
    secret only; those for the robot's messages count against the organisation's monthly quota.
    """
    egress = Egress(settings.proxy_url.get_secret_value(), settings.no_proxy)

    async def check() -> list[Finding]:
        async with open_client(egress) as ask:
            dingtalk = DingTalk(ask, settings.openapi_url, settings.oapi_url)
            return await check_robots(settings.robots, dingtalk)

    return asyncio.run(check())


async def check_robots(robots: Robots, dingtalk: DingTalk) -> list[Finding]:
    """What DingTalk tells about each robot, in the robots' order."""
    found = await asyncio.gather(*(_check_robot(each, robots, dingtalk) for each in robots))
    return [
        replace(finding, robot=robot.label)
        for robot, findings in zip(robots, found, strict=True)
        for finding in _told_once(findings)
    ]


def _told_once(findings: Iterable[Finding]) -> Collection[Finding]:
    """The findings without repeats; wrong credentials are one, whatever the codes."""
    first: dict[object, Finding] = {}
    for each in findings:
        first.setdefault((each.name, each.advice) if each.name == "credentials" else each, each)
    return first.values()


async def _check_robot(robot: Robot, robots: Robots, dingtalk: DingTalk) -> list[Finding]:
    if not (robot.app_key and robot.secrets):
        return []
    checks = [_check_application(robot, dingtalk)]
    # The plain settings don't say how messages come: `dingda stream` may run, or not.
    if robot.mode == "stream" or robots.takes_any_code:
        checks.append(_check_stream(robot, dingtalk))
    found = await asyncio.gather(*checks)
    return [finding for each in found for finding in each] + _not_asked(robot)


def _not_asked(robot: Robot) -> list[Finding]:
    """What DingTalk does not tell."""
    if robot.mode == "stream":
        what = "which events the console has ticked (事件订阅) can't be asked"
        return [Finding("events", Severity.OK, what)]
    what = (
        "whether the console's 消息接收地址 is right can't be asked; a message that comes shows it"
    )
    return [Finding("http-mode", Severity.OK, what)]


async def _check_application(robot: Robot, dingtalk: DingTalk) -> list[Finding]:
    """The credentials, and with them the permissions and the robot's code."""
    call = Call(
        "POST",
        f"{dingtalk.openapi_url}/v1.0/oauth2/accessToken",
        json={"appKey": robot.app_key, "appSecret": robot.secrets[0]},
    )
    response = await dingtalk.ask(call)
    token = _field(response, "accessToken")
    if not token:
        return [trouble(call, response)]
    ok = Finding("credentials", Severity.OK, "DingTalk knows the Client ID and its Client Secret")
    asked = questions(dingtalk, robot, token)
    responses = await asyncio.gather(*(dingtalk.ask(each.call) for each in asked))
    judged = zip(asked, responses, strict=True)
    return [ok, *(question.judge(question.call, response) for question, response in judged)]


async def _check_stream(robot: Robot, dingtalk: DingTalk) -> list[Finding]:
    """Whether DingTalk opens a connection, and its host is reached; the ticket stays unused."""
    call = Call("POST", dingtalk.openapi_url + OPEN_PATH, json=ticket_request(robot))
    response = await dingtalk.ask(call)
    if isinstance(response, Response) and _is_about_the_robot(response):
        what = f"DingTalk opens no Stream connection ({response.said}), and doesn't say why"
        advice = (
            "if one is wanted: 应用能力 > 机器人 > 消息接收模式 is not Stream 模式, or "
            "the application is not published (版本管理与发布), "
            "or 开发配置 > 安全中心 > 服务器出口IP names other addresses"
        )
        return [Finding("stream-mode", Severity.WARNING, what, advice)]
    endpoint = _field(response, "endpoint")
    if not endpoint or endpoint_fault(endpoint):
        return [trouble(call, response)]
    return [await _check_endpoint(endpoint, dingtalk)]


def _is_about_the_robot(response: Response) -> bool:
    """Whether nothing is wrong with the caller, and no connection is opened all the same."""
    return response.status == HTTPStatus.BAD_REQUEST and meaning_of(response) is Meaning.ALLOWED


async def _check_endpoint(endpoint: str, dingtalk: DingTalk) -> Finding:
    call = Call("GET", f"http{endpoint.removeprefix('ws')}")
    response = await dingtalk.ask(call)
    if isinstance(response, NoResponse):
        return trouble(call, response)
    what = f"DingTalk opens a connection, and {call.host} is reached"
    return Finding("stream-mode", Severity.OK, what)


def _field(response: Answer, name: str) -> str:
    """A text in a response with status 200; "" where there is none."""
    if isinstance(response, Response) and response.status == HTTPStatus.OK:
        return string(response.fields or {}, name)
    return ""
