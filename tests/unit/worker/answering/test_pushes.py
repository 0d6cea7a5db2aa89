"""What the bot says of its own accord: accepted like a message, sent once."""

import json
from typing import Any

import httpx

from dingda.shared.dingtalk.push import Group, Push, Target, User
from dingda.shared.dingtalk.reply import Markdown, Reply, Text
from dingda.skill import Context
from dingda.worker.delivery.minute_limit import MESSAGES_A_MINUTE
from tests.support.builders import KEYS
from tests.support.worker_harness import WorkerHarness, open_worker

GOOD = Text("好")


async def pushed(
    here: WorkerHarness, target: Target, reply: Reply = GOOD, *, key: str = "k"
) -> str:
    """Accept a push and take it as far as it goes; returns its id."""
    push = Push(target, key, reply)
    envelope = push.envelope("", now_ms=await now_ms(here))
    await here.ledger.accept([(envelope, push.to_payload(""))], backlog_limit=100)
    await here.answerer.answer(envelope.id)
    return envelope.id


async def now_ms(here: WorkerHarness) -> int:
    seconds, microseconds = await here.redis.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def bodies(here: WorkerHarness) -> list[dict[str, Any]]:
    return [json.loads(body) for body in here.pushed.bodies]


def well() -> str:
    return "好"


async def test_a_push_to_a_group_goes_by_the_openapi_to_its_conversation() -> None:
    async with open_worker(well) as here:
        await pushed(here, Group("ops"), Markdown("早报", "**三条**"))
        (body,) = bodies(here)
        assert (body["openConversationId"], body["msgKey"]) == ("cidOPS==", "sampleMarkdown")
        assert json.loads(body["msgParam"]) == {"title": "早报", "text": "**三条**"}


async def test_a_group_may_be_named_by_its_conversation_id() -> None:
    async with open_worker(well) as here:
        await pushed(here, Group("cidOTHER=="))
        assert bodies(here)[0]["openConversationId"] == "cidOTHER=="


async def test_a_push_to_a_person_goes_to_their_single_chat() -> None:
    async with open_worker(well) as here:
        await pushed(here, User("0002"))
        assert bodies(here)[0]["userIds"] == ["0002"]


async def test_a_push_to_a_custom_robots_group_is_signed_and_goes_to_its_webhook() -> None:
    async with open_worker(well) as here:
        await pushed(here, Group("all"))
        (request,) = here.pushed.taken
        assert request.url.startswith(
            "https://oapi.dingtalk.com/robot/send?access_token=t&timestamp="
        )
        assert bodies(here) == [{"msgtype": "text", "text": {"content": "好"}}]


async def test_a_custom_robot_says_no_more_in_a_minute_than_it_may_and_the_rest_later() -> None:
    async with open_worker(well) as here:
        ids = [await pushed(here, Group("all"), key=f"{n}") for n in range(MESSAGES_A_MINUTE + 2)]
        assert len(here.pushed.taken) == MESSAGES_A_MINUTE
        for message_id in ids:
            await here.redis.hdel(KEYS.message(message_id), "not_before_ms")
        (counted,) = await here.redis.keys("*:custom-robot:*")
        await here.redis.delete(counted)  # a minute later
        for message_id in ids:
            await here.answerer.answer(message_id)
        assert len(here.pushed.taken) == MESSAGES_A_MINUTE + 2
        assert (await here.counts()).answered == MESSAGES_A_MINUTE + 2


async def test_the_same_push_accepted_twice_is_sent_once() -> None:
    async with open_worker(well) as here:
        await pushed(here, User("0002"))
        await pushed(here, User("0002"))
        assert len(here.pushed.taken) == 1
        assert (await here.counts()).answered == 1


async def test_a_push_whose_fate_is_unknown_is_not_sent_again() -> None:
    async with open_worker(well) as here:
        here.pushed.script = [httpx.ReadError("reset")]
        message_id = await pushed(here, User("0002"))
        await here.answerer.answer(message_id)
        assert len(here.pushed.taken) == 1
        assert (await here.counts()).dead == {"unknown": 1}


async def test_a_push_to_a_group_of_no_known_name_is_a_dead_letter_that_says_so() -> None:
    async with open_worker(well) as here:
        await pushed(here, Group("nobody"))
        (head,) = await here.admin.dead_letters()
        assert head.reason == "failed: push: no group has this name: DINGDA_GROUPS has ops, all"


async def test_a_push_that_dingtalk_refuses_for_now_is_tried_again_with_the_same_bytes() -> None:
    async with open_worker(well) as here:
        here.pushed.script = [503]
        message_id = await pushed(here, Group("ops"))
        await here.redis.hset(f"dingda:message:{message_id}", "not_before_ms", 0)
        await here.answerer.answer(message_id)
        first, second = here.pushed.bodies
        assert first == second


async def test_a_long_push_is_sent_in_parts() -> None:
    async with open_worker(well) as here:
        await pushed(here, Group("ops"), Text("句子。" * 3_000))
        assert len(here.pushed.taken) > 1
        assert (await here.counts()).answered == 1


async def test_a_skill_that_runs_twice_pushes_once() -> None:
    async def tell(ctx: Context) -> str:
        await ctx.push(Group("ops"), "开始上线")
        return "已通知"

    async with open_worker(tell) as here:
        here.chat.script = [503]
        message = await here.asked()
        lease = await here.ledger.lease(message.id)
        assert not hasattr(lease, "token")
        await here.redis.hdel(f"dingda:message:{message.id}", "prepared")
        await here.rest(message)
        await here.answer(message)
        assert (await here.counts()).accepted == 2


async def test_pushes_to_one_target_are_sent_in_order() -> None:
    async with open_worker(well) as here:
        now = await now_ms(here)
        pushes = [Push(Group("ops"), key, Text(key)) for key in ("first", "second")]
        envelopes = [push.envelope("", now_ms=now) for push in pushes]
        accepted = [
            (envelope, push.to_payload(""))
            for envelope, push in zip(envelopes, pushes, strict=True)
        ]
        await here.ledger.accept(accepted, backlog_limit=100)
        await here.answerer.answer(envelopes[1].id)
        assert here.pushed.taken == []
        await here.answerer.answer(envelopes[0].id)
        await here.answerer.answer(envelopes[1].id)
        assert [json.loads(body["msgParam"])["content"] for body in bodies(here)] == [
            "first",
            "second",
        ]
