"""What each of several robots answers with: skills, groups, account, address book and limits."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import fakeredis
import httpx
import pytest

from dingda.shared.dingtalk.media_hosts import MediaHosts
from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.notification import Notification
from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.ledger.cards import CardLedger
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Outcome
from dingda.shared.ledger.streams import StreamRecords
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.settings import Settings
from dingda.shared.texts import ASK_PRIVATELY, NOT_IN_THIS_GROUP
from dingda.skill import Context, Event, Skill, Text
from dingda.testing import MemoryCache
from dingda.worker.answering.admission import Admission
from dingda.worker.answering.composition import SharedParts, create_robots, describe_skills
from dingda.worker.answering.metrics import AnsweringMetrics
from dingda.worker.answering.rate_limit import RateDecision
from dingda.worker.answering.response import Response
from dingda.worker.answering.robots import FindRobot
from dingda.worker.delivery.outcome import Delivered
from dingda.worker.delivery.private import to_private_body
from dingda.worker.sdk.services import Services
from dingda.worker.services.access_token import TOKEN_HEADER
from dingda.worker.services.database import Databases
from dingda.worker.services.downloads import Downloads
from dingda.worker.services.http_client import Http
from dingda.worker.services.openapi_calls import OpenAPICalls
from tests.support.builders import KEYS, a_message
from tests.support.openapi_clients import OverHTTPX

BLUE = Robot("ding1", "小蓝", "key1", ("secret1",))
RED = Robot("ding2", "小红", "key2", ("secret2", "old2"), conversations=("cidRED",))


class OpenAPI:
    """A fake of DingTalk's OpenAPI: the token of an application is `token of` its AppKey."""

    def __init__(self) -> None:
        self.signed_in: list[tuple[str, str]] = []
        self.sent: list[tuple[str, str]] = []
        """The token and the robot's code of each private message."""
        self.asked: list[str] = []
        """The token of each look-up in the address book."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        fields = json.loads(request.content)
        if request.url.path.endswith("/accessToken"):
            self.signed_in.append((fields["appKey"], fields["appSecret"]))
            token = f"token of {fields['appKey']}"
            return httpx.Response(200, json={"accessToken": token, "expireIn": 7200})
        token = request.headers[TOKEN_HEADER]
        if request.url.path.endswith("/batchSend"):
            self.sent.append((token, fields["robotCode"]))
            return httpx.Response(200, json={"processQueryKey": "abc"})
        self.asked.append(token)
        return httpx.Response(200, json={"list": [], "totalCount": 0})


def a_skill(name: str) -> Skill:
    skill = Skill(name, summary=f"查{name}")
    skill.command(name)(lambda: name)
    return skill


@asynccontextmanager
async def robots_of(
    robots: Sequence[Robot],
    openapi: OpenAPI | None = None,
    *,
    takes_any_code: bool = False,
    skills: Sequence[tuple[str, Skill]] = (),
    **settings: Any,
) -> AsyncIterator[FindRobot]:
    loaded = defaultdict[str, list[Skill]](list)
    for code, skill in skills:
        loaded[code].append(skill)
    async with httpx.AsyncClient(transport=httpx.MockTransport(openapi or OpenAPI())) as client:
        with ThreadPoolExecutor(1) as threads:
            redis = fakeredis.FakeAsyncRedis(decode_responses=True)
            shared = SharedParts(
                redis,
                Ledger(redis, JobQueue.create("dingda", skill_timeout_s=30)),
                OverHTTPX(client),
                Services(
                    http=Http(client), cache=MemoryCache(), databases=Databases(), dingtalk=None
                ),
                Downloads(Http(client), MediaHosts()),
                threads,
                CardLedger(redis, JobQueue.create("dingda", skill_timeout_s=30)),
                StreamRecords(
                    fakeredis.FakeAsyncRedis(decode_responses=True),
                    JobQueue.create("dingda", skill_timeout_s=30),
                ),
                Admission(),
                AnsweringMetrics(),
                OpenAPICalls(redis, KEYS, monthly=0),
            )
            yield create_robots(
                Settings(robots=Robots(tuple(robots), takes_any_code=takes_any_code), **settings),
                loaded,
                shared,
            )


async def said(find_robot: FindRobot, message: Message) -> Response | None:
    robot = find_robot(message.robot_code)
    assert robot is not None
    return await robot.responder.respond(message, robot.responder.route(message), timeout_s=30)


async def claim() -> None:
    """Nobody else would send it."""


async def test_a_private_answer_goes_out_by_its_own_robots_account_and_code() -> None:
    openapi = OpenAPI()
    body = to_private_body(Text("秘密"))
    async with robots_of([BLUE, RED], openapi) as find_robot:
        for code in ("ding2", "ding1", "ding2"):
            robot = find_robot(code)
            assert robot is not None
            assert robot.private is not None
            message = a_message(robotCode=code)
            outcome = await robot.private.send(message, body, before_send=claim, timeout_s=5)
            assert outcome == Delivered()
    assert openapi.sent == [
        ("token of key2", "ding2"),
        ("token of key1", "ding1"),
        ("token of key2", "ding2"),
    ]
    assert openapi.signed_in == [("key2", "secret2"), ("key1", "secret1")]


async def test_people_are_looked_up_by_the_account_of_the_robot_that_was_asked() -> None:
    openapi, skill = OpenAPI(), Skill("people", summary="查人")

    @skill.command("找")
    async def find(ctx: Context) -> str:
        assert ctx.services.dingtalk is not None
        return str(await ctx.services.dingtalk.find("张三"))

    both = [("ding1", skill), ("ding2", skill)]
    async with robots_of([BLUE, RED], openapi, skills=both) as find_robot:
        await said(find_robot, a_message("找", robotCode="ding2", conversationId="cidRED"))
        await said(find_robot, a_message("找", robotCode="ding1"))
    assert openapi.asked == ["token of key2", "token of key1"]


async def test_a_robot_without_an_app_key_answers_nothing_in_private() -> None:
    secret = Skill("secret", summary="查秘密", private=True)
    secret.command("秘密")(lambda: "秘密")
    keyless = Robot("ding1", secrets=("secret1",))
    async with robots_of([keyless, RED], skills=[("ding1", secret)]) as find_robot:
        answer = await said(find_robot, a_message("秘密", robotCode="ding1"))
    assert answer is not None
    assert ASK_PRIVATELY in answer.reply.to_payload()["text"]["content"]


async def test_each_robot_has_its_own_skills_and_helps_with_no_others() -> None:
    skills = [("ding1", a_skill("天气")), ("ding2", a_skill("优惠"))]
    async with robots_of([BLUE, replace(RED, conversations=())], skills=skills) as find_robot:
        for code, name, other in (("ding1", "天气", "优惠"), ("ding2", "优惠", "天气")):
            answer = await said(find_robot, a_message(name, robotCode=code))
            assert answer is not None
            assert answer.reply == Text(name)
            assert await said(find_robot, a_message(other, robotCode=code)) is None
            help_ = await said(find_robot, a_message("帮助", robotCode=code))
            assert help_ is not None
            assert name in str(help_.reply.to_payload())
            assert other not in str(help_.reply.to_payload())


async def test_each_robot_calls_the_hooks_of_its_own_skills() -> None:
    hooking = Skill("hooking", summary="钩子")
    hooking.event("chat_disband")(lambda: None)
    async with robots_of([BLUE, RED], skills=[("ding2", hooking)]) as find_robot:
        found = {}
        for code in ("ding1", "ding2"):
            robot = find_robot(code)
            assert robot is not None
            told = Notification(code, Event("chat_disband"))
            found[code] = [each.skill.name for each in robot.hooks.find(told)]
    assert found == {"ding1": [], "ding2": ["hooking"]}


async def test_each_robot_knows_its_own_name() -> None:
    both = [(code, a_skill("天气")) for code in ("ding1", "ding2")]
    async with robots_of([BLUE, replace(RED, conversations=())], skills=both) as find_robot:
        for code, text in (("ding1", "小蓝 天气"), ("ding2", "小红 天气")):
            answer = await said(find_robot, a_message(text, robotCode=code))
            assert answer is not None
            assert answer.reply == Text("天气")
        assert await said(find_robot, a_message("小红 天气", robotCode="ding1")) is None


@pytest.mark.parametrize("text", ["天气", "帮助", "随便说说"])
async def test_in_another_group_than_its_own_a_robot_says_whom_to_ask(text: str) -> None:
    async with robots_of([BLUE, RED], skills=[("ding2", a_skill("天气"))]) as find_robot:
        answer = await said(find_robot, a_message(text, robotCode="ding2", conversationId="cidX"))
    assert answer is not None
    assert NOT_IN_THIS_GROUP in answer.reply.to_payload()["text"]["content"]
    assert answer.completion.outcome is Outcome.DECLINED
    assert answer.completion.detail == "the group is not among the robot's"


@pytest.mark.parametrize(
    "chat", [{"conversationId": "cidRED"}, {"conversationId": "cidX", "conversationType": "1"}]
)
async def test_in_its_groups_and_in_every_single_chat_it_answers(chat: dict[str, str]) -> None:
    async with robots_of([BLUE, RED], skills=[("ding2", a_skill("天气"))]) as find_robot:
        answer = await said(find_robot, a_message("天气", robotCode="ding2", **chat))
    assert answer is not None
    assert answer.reply == Text("天气")


async def test_the_limits_count_each_robots_messages_apart() -> None:
    async with robots_of([BLUE, RED], sender_limit=1) as find_robot:
        judged = []
        for code in ("ding1", "ding2", "ding1"):
            robot = find_robot(code)
            assert robot is not None
            assert robot.rate_limiter is not None
            judged.append(await robot.rate_limiter.judge(a_message(robotCode=code)))
    assert judged == [RateDecision.PASS, RateDecision.PASS, RateDecision.WARN]


async def test_a_robot_that_is_not_in_the_settings_is_not_found() -> None:
    async with robots_of([BLUE, RED]) as find_robot:
        assert find_robot("ding3") is None


async def test_the_robot_of_the_settings_for_a_single_one_is_found_by_whatever_code() -> None:
    only = Robot("ding1", app_key="key1", secrets=("secret1",))
    async with robots_of([only], takes_any_code=True) as find_robot:
        assert find_robot("ding1") is find_robot("") is find_robot("ding2")
        assert find_robot("ding1") is not None


# Which skills ---------------------------------------------------------------------------------


def described(*robots: Robot, skills: tuple[str, ...]) -> list[str]:
    fields: dict[str, Any] = {"robots": Robots(robots), "skills": skills}
    return describe_skills(Settings(**fields))


def test_each_robot_that_names_its_skills_has_these_and_the_others_those_of_the_settings() -> None:
    own = replace(BLUE, skills=("acme.leave",))
    of_blue, of_red = described(own, RED, skills=("dingda.worker.skills.demo",))
    assert of_blue.startswith("skills of 小蓝: acme.leave and the help, ")
    assert "for the shipped ones too: its skills=acme.leave,dingda.worker.skills." in of_blue
    assert of_red.startswith("skills of 小红: dingda.worker.skills.demo and the help, ")


def test_a_robot_without_skills_has_the_shipped_ones_beside_one_that_names_its_own() -> None:
    _, of_red = described(replace(BLUE, skills=("acme.leave",)), RED, skills=())
    assert of_red.endswith("as DINGDA_SKILLS names none and no installed package offers any")
