"""The skill's tests: no Redis, no network, no DingTalk."""

import httpx
from acme_leave import LeaveSettings, skill
from pydantic import SecretStr

from dingda.skill import Text
from dingda.testing import ask

SETTINGS = [LeaveSettings(url="http://hr.example", token=SecretStr("t0ken"))]


def hr(request: httpx.Request) -> httpx.Response:
    """Play the HR service."""
    if request.headers["authorization"] != "Bearer t0ken":
        return httpx.Response(401, json={"error": "token"})
    days = {"年假": 7.5, "病假": 10}[request.url.params["kind"]]
    return httpx.Response(200, json={"days": days})


async def asked(text: str, **circumstances: object) -> object:
    """Ask in a single chat, with the HR service at hand."""
    transport = httpx.MockTransport(hr)
    return await ask(
        skill, text, group=False, transport=transport, settings=SETTINGS, **circumstances
    )


async def test_annual_leave_is_what_is_meant_unless_another_kind_is_named() -> None:
    assert await asked("假期") == Text("你还有 7.5 天年假")


async def test_a_kind_may_be_named() -> None:
    assert await asked("假期 病假") == Text("你还有 10 天病假")


async def test_it_understands_a_plain_question() -> None:
    assert await asked("我还有几天年假？") == Text("你还有 7.5 天年假")


async def test_it_answers_in_the_senders_script() -> None:
    assert await asked("我還有幾天年假") == Text("你還有 7.5 天年假")


async def test_an_unidentified_sender_is_told_why() -> None:
    assert await asked("假期", staff_id="") == Text("钉钉没有告诉我你是谁，等机器人上线后再试")


async def test_a_wrong_token_is_the_operators_problem_not_the_senders() -> None:
    refused = [LeaveSettings(url="http://hr.example", token=SecretStr("wrong"))]
    reply = await ask(
        skill, "假期", group=False, transport=httpx.MockTransport(hr), settings=refused
    )
    assert reply == Text("人事系统的配置有问题，不是你的问题，请联系管理员")
