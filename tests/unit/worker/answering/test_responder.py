"""What is said to a message, without Redis, DingTalk or a network."""

import asyncio
import os
import runpy
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from dingda.shared.dingtalk.reply import ActionCard, Button, Markdown, Reply, Text
from dingda.shared.ledger.states import Outcome
from dingda.skill import (
    Allow,
    BackendConfigError,
    BackendUnavailableError,
    ClarificationNeeded,
    Context,
    RefusalError,
    Skill,
)
from dingda.testing import ask, listen


def a_skill(function: Any, **traits: Any) -> Skill:
    skill = Skill("test", summary="测试", **traits)
    skill.command("问")(function)
    return skill


def raising(error: Exception) -> Skill:
    async def function() -> str:
        raise error

    return a_skill(function)


async def test_a_plain_string_becomes_a_text() -> None:
    assert await ask(a_skill(lambda: "好"), "问") == Text("好")


ENDLESS = """
import pathlib, time
for _ in range(1000):
    pathlib.Path(path).touch()
    time.sleep(0.01)
"""


async def test_a_command_is_called_again_with_the_same_idempotency_key() -> None:
    skill = a_skill(lambda: None)
    keys = []

    @skill.command("钥匙")
    def note(ctx: Context) -> str:
        keys.append(ctx.idempotency_key)
        return "好"

    await ask(skill, "钥匙")
    await ask(skill, "钥匙")
    assert keys == ["0" * 64] * 2


async def test_none_is_silence() -> None:
    assert await ask(a_skill(lambda: None), "问") is None


async def test_what_no_skill_wants_is_silence() -> None:
    assert await ask(a_skill(lambda: "好"), "别的") is None


async def test_a_blocking_function_does_not_stop_at_an_await() -> None:
    def blocking() -> str:
        time.sleep(0.01)
        return "好"

    assert await ask(a_skill(blocking), "问") == Text("好")


async def test_a_refusal_is_the_sentence_and_ends_as_refused() -> None:
    said = await listen(raising(RefusalError("一次只能查一个")), "问")
    assert said is not None
    assert said.reply.to_payload()["text"]["content"] == "@0001 一次只能查一个"
    assert said.completion.outcome is Outcome.DECLINED


async def test_an_unclear_question_comes_back_with_buttons_that_send_the_suggestions() -> None:
    error = ClarificationNeeded("查哪个城市？", suggestions=("天气 北京", "天气 上海"))
    reply = await ask(raising(error), "问")
    assert isinstance(reply, ActionCard)
    assert reply.buttons[1] == Button(
        "天气 上海",
        "dtmd://dingtalkclient/sendMessage?content=%E5%A4%A9%E6%B0%94%20%E4%B8%8A%E6%B5%B7",
    )


async def test_a_suggestion_is_a_link_in_the_text_too_where_that_is_what_a_client_clicks() -> None:
    error = ClarificationNeeded("查哪个城市？", suggestions=("天气 北京", "天气 (上海)"))
    reply = await ask(raising(error), "问")
    assert isinstance(reply, ActionCard)
    send = "dtmd://dingtalkclient/sendMessage?content=%E5%A4%A9%E6%B0%94%20"
    assert reply.text.split("\n\n") == [
        "查哪个城市？",
        f"[天气 北京]({send}%E5%8C%97%E4%BA%AC)",
        f"[天气 （上海）]({send}%28%E4%B8%8A%E6%B5%B7%29)",
    ]


async def test_what_was_typed_becomes_no_link_when_it_is_asked_back() -> None:
    error = ClarificationNeeded(
        "没有认出「[点我](http://evil.example)」", suggestions=("天气 北京",)
    )
    reply = await ask(raising(error), "问")
    assert isinstance(reply, ActionCard)
    assert "［点我］（http：//evil.example）" in reply.text


async def test_a_long_question_has_a_title_that_is_short_enough() -> None:
    error = ClarificationNeeded(
        "没有认出「" + "很" * 300 + "」", suggestions=("天气 北京", "天气 上海")
    )
    reply = await ask(raising(error), "问")
    assert isinstance(reply, ActionCard)
    assert reply.title.endswith("…")
    assert "很" * 300 in reply.text


async def test_what_keeps_a_cpu_busy_may_run_in_another_process() -> None:
    skill = Skill("cpu", summary="测试")

    @skill.command("问")
    async def answer(ctx: Context) -> str:
        return str(await ctx.in_process(os.getpid))

    reply = await ask(skill, "问")
    assert isinstance(reply, Text)
    assert int(reply.content) != os.getpid()


async def test_a_process_is_killed_when_the_skills_time_is_up(tmp_path: Path) -> None:
    skill = Skill("cpu", summary="测试", timeout_s=1.5)
    mark = tmp_path / "still running"
    script = str(tmp_path / "endless.py")
    (tmp_path / "endless.py").write_text(ENDLESS)

    @skill.command("问")
    async def answer(ctx: Context) -> str:
        return str(await ctx.in_process(runpy.run_path, script, {"path": str(mark)}))

    said = await listen(skill, "问")
    assert said is not None
    assert said.completion.full_reason == "failed: the skill took too long"
    await asyncio.sleep(0.2)
    mark.unlink()
    await asyncio.sleep(0.2)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (BackendUnavailableError("天气服务", "HTTP 503"), "天气服务暂时连不上，不是你的问题"),
        (BackendConfigError("天气服务", "bad key"), "天气服务的配置有问题，不是你的问题"),
        (ValueError("a bug"), "抱歉，处理「测试」时出错了"),
    ],
)
async def test_a_failure_is_an_apology_and_ends_as_a_dead_letter(
    error: Exception, sentence: str
) -> None:
    said = await listen(raising(error), "问")
    assert said is not None
    assert isinstance(said.reply, Text)
    assert said.reply.content.startswith(sentence)
    assert said.completion.outcome is Outcome.DEAD


async def test_no_reason_of_a_backend_reaches_the_sender() -> None:
    reply = await ask(raising(BackendConfigError("天气服务", "key=s3cret")), "问")
    assert "s3cret" not in str(reply)


async def test_a_skill_that_takes_too_long_is_given_up() -> None:
    def slow() -> str:
        time.sleep(0.2)
        return "晚了"

    said = await listen(a_skill(slow, timeout_s=0.05), "问")
    assert said is not None
    assert said.completion.full_reason == "failed: the skill took too long"


async def test_a_reply_of_no_known_kind_is_a_failure_that_says_so() -> None:
    said = await listen(a_skill(lambda: {"msgtype": "text"}), "问")
    assert said is not None
    assert "not dict" in said.completion.full_reason


@pytest.mark.parametrize(
    ("allow", "circumstances", "answered"),
    [
        (Allow(), {}, True),
        (Allow(staff_ids=frozenset({"0001"})), {}, True),
        (Allow(staff_ids=frozenset({"0002"})), {}, False),
        (Allow(staff_ids=frozenset({"0001"})), {"staff_id": ""}, False),
        (Allow(conversation_ids=frozenset({"cidOTHER=="})), {}, False),
        (Allow(chats="group"), {"group": False}, False),
        (Allow(chats="single"), {"group": True}, False),
        (Allow(chats="single"), {"group": False}, True),
    ],
)
async def test_a_skill_answers_only_whom_it_allows(
    allow: Allow, circumstances: dict[str, Any], *, answered: bool
) -> None:
    said = await listen(a_skill(lambda: "好", allow=allow), "问", **circumstances)
    assert said is not None
    assert (said.completion.outcome is Outcome.ANSWERED) is answered


async def test_a_private_skill_refuses_in_a_group_when_it_cannot_answer_privately() -> None:
    said = await listen(a_skill(lambda: "秘密", private=True), "问", group=True)
    assert said is not None
    assert "秘密" not in str(said.reply)
    assert said.completion.outcome is Outcome.DECLINED


async def test_a_private_skill_answers_in_a_single_chat() -> None:
    said = await listen(a_skill(lambda: "秘密", private=True), "问", group=False)
    assert said is not None
    assert (said.reply, said.private) == (Text("秘密"), False)


async def test_the_bots_own_words_follow_the_senders_script() -> None:
    said = await listen(raising(RefusalError("请稍后再试")), "問")
    assert said is not None
    assert said.reply.to_payload()["text"]["content"] == "@0001 請稍後再試"


async def test_a_test_chooses_the_clock() -> None:
    async def when(ctx: Context) -> str:
        return ctx.now.isoformat()

    now = datetime(2026, 1, 2, 3, 4, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert await ask(a_skill(when), "问", now=now) == Text("2026-01-02T03:04:00+08:00")


async def test_without_a_backend_every_call_meets_a_closed_network() -> None:
    async def call(ctx: Context) -> Reply:
        answer = await ctx.services.http.json("笑话库", "GET", "https://jokes.example/")
        return Markdown("笑话", str(answer.data))

    reply = await ask(a_skill(call), "问")
    assert isinstance(reply, Text)
    assert reply.content.startswith("笑话库暂时连不上")


async def test_a_transport_plays_the_backend() -> None:
    async def call(ctx: Context) -> str:
        answer = await ctx.services.http.json("笑话库", "GET", "https://jokes.example/")
        return str(answer.data["text"])

    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"text": "从前"}))
    assert await ask(a_skill(call), "问", transport=transport) == Text("从前")
