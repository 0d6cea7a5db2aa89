"""Each message comes to one end, with one reply at the most."""

import asyncio
from typing import Any

import httpx
import pytest

from dingda.shared.errors import NotReplicatedError
from dingda.shared.ledger.states import Lease
from dingda.shared.ledger.times import MARGIN_MS
from dingda.shared.texts import REJECTED
from dingda.skill import BackendUnavailableError, RefusalError
from dingda.worker.answering.settlement import LAST_TRY_MS
from tests.support.builders import KEYS, SESSION_WEBHOOK, now_ms
from tests.support.openapi_clients import OPENAPI_URL
from tests.support.worker_harness import CountingSkill, open_worker, stop, well

# Each end -----------------------------------------------------------------------------------


async def test_a_reply_that_dingtalk_takes_is_answered() -> None:
    async with open_worker(well) as here:
        message = await here.asked()
        assert await here.state(message) == "answered"
        assert here.said == ["好"]
        assert str(here.chat.taken[0].url) == SESSION_WEBHOOK


async def test_while_the_skill_works_a_connection_for_its_reply_is_kept_ready() -> None:
    skill = CountingSkill(takes_s=60)
    async with open_worker(skill.tell) as here:
        message = await here.accept()
        answering = asyncio.create_task(here.answer(message))
        await skill.begun.wait()
        assert here.chat.expected == [SESSION_WEBHOOK]
        await stop(answering)
        assert here.chat.expected == []


async def test_what_is_being_answered_is_told_with_its_skill_and_since_when() -> None:
    skill = CountingSkill(takes_s=60)
    async with open_worker(skill.tell) as here:
        message = await here.accept()
        answering = asyncio.create_task(here.answer(message))
        await skill.begun.wait()
        (held,) = here.answerer.doing(now_ms())
        assert (held.id, held.skill) == (message.id, "test")
        assert 0 <= now_ms() - held.since_ms < 5_000
        await stop(answering)
        assert here.answerer.doing(now_ms()) == ()


async def test_for_a_private_answer_the_connection_leads_to_the_openapi() -> None:
    expected: list[list[str]] = []

    def look() -> str:
        expected.append([*here.chat.expected, *here.private.expected])
        return "好"

    async with open_worker(look, private=True) as here:
        await here.asked()
        await here.asked(conversationType="1", msgId="another")
    openapi = f"{OPENAPI_URL}/v1.0/robot/oToMessages/batchSend"
    assert expected == [[openapi], [SESSION_WEBHOOK]]


async def test_what_no_skill_wants_ends_in_silence() -> None:
    async with open_worker(well) as here:
        message = await here.asked("吃了吗")
        assert await here.state(message) == "unmatched"
        assert here.said == []


async def test_a_skill_that_answers_nothing_ends_in_silence() -> None:
    async with open_worker(lambda: None) as here:
        assert await here.state(await here.asked()) == "unmatched"


async def test_a_refusal_is_told_and_ends_as_refused() -> None:
    def refuse() -> str:
        raise RefusalError("一次只能查一个")

    async with open_worker(refuse) as here:
        assert await here.state(await here.asked()) == "refused"
        assert here.said == ["@0001 一次只能查一个"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("s3cret-canary"), "failed: ValueError in the skill"),
        (BackendUnavailableError("天气服务", "HTTP 503"), "failed: 天气服务: HTTP 503"),
    ],
)
async def test_a_failing_skill_is_an_apology_and_a_dead_letter(
    error: Exception, reason: str
) -> None:
    def fail() -> str:
        raise error

    async with open_worker(fail) as here:
        assert await here.state(await here.asked()) == f"dead: {reason}"
        assert len(here.said) == 1
        (letter,) = await here.admin.dead_letters()
        assert letter.reason == reason


async def test_what_dingtalk_refuses_for_good_is_a_dead_letter() -> None:
    async with open_worker(well) as here:
        here.chat.script = [{"errcode": 300001}]
        assert await here.state(await here.asked()) == "dead: failed: errcode 300001"
        assert len(here.said) == 1


async def test_an_apology_that_is_refused_too_is_not_tried_again() -> None:
    async with open_worker(lambda: 1 / 0) as here:
        here.chat.script = [{"errcode": 430104}]
        assert await here.state(await here.asked()) == "dead: failed: errcode 430104"
        assert len(here.said) == 1


async def test_a_session_that_has_closed_is_expired_and_no_skill_is_asked() -> None:
    skill = CountingSkill()
    async with open_worker(skill.tell) as here:
        message = await here.asked(sessionWebhookExpiredTime=now_ms() + MARGIN_MS - 100)
        assert await here.state(message) == "dead: expired"
        assert (skill.asked, here.said) == (0, [])


async def test_a_session_that_closes_while_the_skill_works_is_expired() -> None:
    async with open_worker(CountingSkill(takes_s=30).tell) as here:
        message = await here.asked(sessionWebhookExpiredTime=now_ms() + MARGIN_MS + 100)
        assert await here.state(message) == "dead: expired"
        assert here.said == []


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (httpx.ReadError("reset"), "unknown: ReadError"),
        (httpx.RemoteProtocolError("nonsense"), "unknown: RemoteProtocolError"),
        (502, "unknown: HTTP 502"),
        ({"errcode": 15}, "unknown: errcode 15"),
        ({}, "unknown: the answer has no errcode"),
    ],
)
async def test_a_line_that_breaks_after_the_request_is_unknown_and_never_sent_again(
    broken: Any, reason: str
) -> None:
    async with open_worker(well) as here:
        here.chat.script = [broken]
        message = await here.asked()
        assert await here.state(message) == f"dead: {reason}"
        await here.ledger.sweep()
        await here.answer(message)
        assert len(here.said) == 1


# Once, and only here ------------------------------------------------------------------------


async def test_a_job_that_comes_twice_at_once_is_answered_once() -> None:
    skill = CountingSkill(takes_s=0.01)
    async with open_worker(skill.tell) as here:
        message = await here.accept()
        await asyncio.gather(*(here.answer(message) for _ in range(10)))
        assert (skill.asked, here.said) == (1, ["第1次"])


async def test_a_message_that_has_ended_is_left_alone() -> None:
    async with open_worker(well) as here:
        message = await here.asked()
        await here.answer(message)
        assert here.said == ["好"]
        assert (await here.counts()).answered == 1


async def test_a_message_that_nobody_knows_is_left_alone() -> None:
    async with open_worker(well) as here:
        await here.answerer.answer("0" * 64)
        assert (await here.counts()).accepted == 0


async def test_nothing_goes_to_an_origin_that_is_not_dingtalks() -> None:
    async with open_worker(well) as here:
        message = await here.asked(sessionWebhook="https://oapi.dingtalk.com.stranger.example/s")
        assert (await here.state(message)).startswith("dead: failed: origin")
        assert here.said == []


# Another attempt ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        *(httpx.ConnectError("refused"), 503, 429, 500),
        *({"errcode": code} for code in (-1, 34015, 500100, 130101)),
    ],
)
async def test_what_was_not_shown_is_sent_again_as_it_was_prepared(fault: Any) -> None:
    skill = CountingSkill()
    async with open_worker(skill.tell) as here:
        here.chat.script = [fault]
        message = await here.asked()
        assert await here.state(message) == "accepted"
        await here.rest(message)
        await here.answer(message)
        assert await here.state(message) == "answered"
        assert skill.asked == 1
        assert here.said[-1] == "第1次"
        assert len(set(here.chat.bodies)) == 1


async def test_nothing_is_sent_on_a_claim_that_no_replica_has_and_later_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_worker(well) as here:
        claim_send = here.ledger.claim_send

        async def claim_unreplicated(lease: Lease) -> None:
            await claim_send(lease)
            raise NotReplicatedError("no replica has the claim")

        monkeypatch.setattr(here.ledger, "claim_send", claim_unreplicated)
        message = await here.asked()
        assert here.said == []
        assert await here.state(message) == "accepted"
        monkeypatch.undo()
        await here.rest(message)
        await here.answer(message)
        assert await here.state(message) == "answered"
        assert here.said == ["好"]


async def test_no_attempt_is_made_before_its_pause_is_over() -> None:
    async with open_worker(well) as here:
        here.chat.script = [503]
        message = await here.asked()
        await here.answer(message)
        assert len(here.said) == 1


@pytest.mark.parametrize("errcode", [130101, -1])
async def test_before_the_session_closes_there_is_a_last_try(errcode: int) -> None:
    async with open_worker(well) as here:
        here.chat.script = [*([{"errcode": -1}] * 6), {"errcode": errcode}]
        message = await here.accept(sessionWebhookExpiredTime=now_ms() + MARGIN_MS + 30_000)
        for _ in range(7):
            await here.answer(message)
            await here.rest(message)
        remaining_ms = await here.rests_until(message) - now_ms()
        assert remaining_ms <= 30_000 - LAST_TRY_MS
        await here.answer(message)
        assert await here.state(message) == "answered"


async def test_a_pause_is_cut_for_the_last_try() -> None:
    async with open_worker(well) as here:
        here.chat.script = [{"errcode": 130101}]
        closes_ms = now_ms() + MARGIN_MS + 30_000
        message = await here.asked(sessionWebhookExpiredTime=closes_ms)
        last_ms = closes_ms - MARGIN_MS - LAST_TRY_MS
        assert abs(await here.rests_until(message) - last_ms) < 1_000
        await here.rest(message)
        await here.answer(message)
        assert await here.state(message) == "answered"


async def test_after_the_last_try_the_message_expires_and_says_of_what() -> None:
    async with open_worker(well) as here:
        here.chat.script = [{"errcode": 130101}] * 2
        message = await here.asked(
            sessionWebhookExpiredTime=now_ms() + MARGIN_MS + LAST_TRY_MS + 300
        )
        assert await here.state(message) == "dead: expired: errcode 130101"
        assert (await here.counts()).dead == {"expired": 1}


@pytest.mark.parametrize("fault", [{"errcode": -1}, 500, {"errcode": 34015}])
async def test_a_busy_dingtalk_is_tried_for_as_long_as_the_session_is_open(fault: Any) -> None:
    async with open_worker(well) as here:
        here.chat.script = [fault] * 20
        message = await here.accept()
        for _ in range(20):
            await here.answer(message)
            assert await here.state(message) == "accepted"
            await here.rest(message)
        await here.answer(message)
        assert await here.state(message) == "answered"
        assert len(set(here.chat.bodies)) == 1


@pytest.mark.parametrize(
    ("fault", "least_ms", "most_ms"),
    [({"errcode": -1}, 0, 1_000), (500, 0, 1_000), ({"errcode": 130101}, 60_000, 66_000)],
)
async def test_the_first_failure_of_a_kind_has_the_first_pause_whatever_went_before(
    fault: Any, least_ms: int, most_ms: int
) -> None:
    async with open_worker(well) as here:
        here.chat.script = [httpx.ConnectError("refused")] * 8 + [fault]
        message = await here.accept()
        for _ in range(8):
            await here.answer(message)
            await here.rest(message)
        before_ms = now_ms()
        await here.answer(message)
        rests_ms = await here.rests_until(message) - before_ms
        assert least_ms <= rests_ms <= most_ms + 1_000


async def test_what_expires_between_two_attempts_says_what_the_last_one_met() -> None:
    async with open_worker(well) as here:
        here.chat.script = [{"errcode": -1}]
        message = await here.asked()
        await here.redis.hset(KEYS.message(message.id), "expires_ms", 1)
        await here.overdue(message)
        assert await here.state(message) == "dead: expired: errcode -1"


@pytest.mark.parametrize(
    ("text", "sentence"), [("问", REJECTED), ("問", "抱歉，回覆內容被釘釘拒絕，無法顯示")]
)
async def test_what_is_refused_for_its_content_is_followed_by_a_plain_text(
    text: str, sentence: str
) -> None:
    skill = CountingSkill()
    async with open_worker(skill.tell) as here:
        here.chat.script = [{"errcode": 430102}]
        message = await here.asked(text)
        await here.rest(message)
        await here.answer(message)
        assert here.said == ["第1次", sentence]
        assert await here.state(message) == "dead: failed: errcode 430102"
        assert skill.asked == 1


@pytest.mark.parametrize("errcode", [400402, 400403, 460101])
async def test_a_reply_that_lacks_or_overfills_a_field_is_followed_by_a_plain_text(
    errcode: int,
) -> None:
    async with open_worker(well) as here:
        here.chat.script = [{"errcode": errcode}]
        message = await here.asked()
        await here.rest(message)
        await here.answer(message)
        assert here.said == ["好", REJECTED]
        assert await here.state(message) == f"dead: failed: errcode {errcode}"


async def test_a_plain_text_that_is_refused_as_well_is_the_end() -> None:
    async with open_worker(well) as here:
        here.chat.script = [{"errcode": 430102}, {"errcode": 430104}]
        message = await here.asked()
        await here.rest(message)
        await here.answer(message)
        assert await here.state(message) == "dead: failed: errcode 430104"
        assert here.said == ["好", REJECTED]
