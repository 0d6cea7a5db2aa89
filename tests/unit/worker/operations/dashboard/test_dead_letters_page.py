"""Dead letters by reason, and what a retry and a discard will do and have done."""

import logging
import re
from typing import Any

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from rq.suspension import WORKERS_SUSPENDED

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome
from tests.support.builders import KEYS
from tests.unit.worker.operations.dashboard.conftest import Browser
from tests.unit.worker.operations.messages import ended, event_ended

UNKNOWN = Completion(Outcome.DEAD, DeadReason.UNKNOWN, "IncompleteReadError")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 77777 * 7 }}{0}",
    "\u202egro.live\x1b[2J\x00",
)


async def several(ledger: Ledger, count: int, **fields: Any) -> list[Message]:
    return [await ended(ledger, msgId=f"m{n}", **fields) for n in range(count)]


async def close_session(redis: fakeredis.FakeAsyncRedis, message: Message) -> None:
    await redis.delete(KEYS.dead_letter_payload(message.id))


async def test_dead_letters_are_grouped_by_reason_with_how_many_can_be_retried(
    browser: Browser, ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    first, *_ = await several(ledger, 3)
    await ended(ledger, UNKNOWN, msgId="other")
    await close_session(redis, first)
    html = (await browser.get("/dead")).text
    groups = html.split('<section class="panel group">')[1:]
    assert ["failed: errcode 300001" in groups[0], "unknown: Inc" in groups[1]] == [True, True]
    assert groups[0].count('<dd class="big">3</dd>') == 1
    assert groups[0].count('<dd class="big">2</dd>') == 1


async def test_a_group_lists_its_messages_a_page_at_a_time(
    browser: Browser, ledger: Ledger
) -> None:
    messages = await several(ledger, 53)
    first = (await browser.get("/dead/group?reason=failed: errcode 300001")).text
    last = (await browser.get("/dead/group?reason=failed: errcode 300001&page=2")).text
    assert ("1–50 of 53" in first, "51–53 of 53" in last) == (True, True)
    shown = [message.id for message in messages if message.id in first]
    assert len(shown) == 50
    assert all((message.id in first) != (message.id in last) for message in messages)
    beyond = (await browser.get("/dead/group?reason=failed: errcode 300001&page=99")).text
    assert "51–53 of 53" in beyond


async def test_a_row_says_where_it_was_asked_and_whether_the_session_is_open(
    browser: Browser, ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    await ended(ledger, msgId="1")
    await close_session(redis, await ended(ledger, msgId="2"))
    html = (await browser.get("/dead/group?reason=failed: errcode 300001")).text
    assert "测试群" in html
    assert "open for 1.5 h" in html
    assert "closed" in html


async def test_no_page_shows_what_people_wrote(operator: Browser, ledger: Ledger) -> None:
    message = await ended(ledger, text="我的绩效是多少")
    for path in ("/", "/dead", "/dead/group?reason=failed: errcode 300001"):
        assert "绩效" not in (await operator.get(path)).text
    for act in ("retry", "discard"):
        assert "绩效" not in (await operator.post("/dead/review", review_of(message, act))).text
    assert "绩效" not in (await operator.get(f"/messages/{message.id}")).text


def review_of(message: Message, act: str = "retry") -> dict[str, str]:
    return {"id": message.id, "act": act}


async def test_the_question_before_a_retry_says_how_many_are_answered_and_refused(
    operator: Browser, ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    first, *_ = await several(ledger, 3)
    await close_session(redis, first)
    group = {"reason": "failed: errcode 300001", "act": "retry"}
    html = (await operator.post("/dead/review", group)).text
    assert "2 with an open session: queued again" in html
    assert "1 with a closed session: DingTalk takes no answer any more" in html
    assert "ended as unknown" not in html


async def test_it_says_that_an_unknown_one_may_be_answered_twice(
    operator: Browser, ledger: Ledger
) -> None:
    message = await ended(ledger, UNKNOWN)
    html = (await operator.post("/dead/review", review_of(message))).text
    assert "1 ended as unknown: the answer was most likely shown" in html


async def test_it_says_that_nothing_happens_while_the_workers_are_suspended(
    operator: Browser, ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    message = await ended(ledger)
    await redis.set(WORKERS_SUSPENDED, 1)
    html = (await operator.post("/dead/review", review_of(message))).text
    assert "The workers are paused" in html
    assert "Paused: workers take no messages" in html


async def test_asking_does_nothing_yet(
    operator: Browser, ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    for act in ("retry", "discard"):
        await operator.post("/dead/review", review_of(message, act))
    assert await admin.dead_letter_count() == 1
    assert (await admin.counts()).open == 0


async def test_a_retried_one_can_be_leased_again(operator: Browser, ledger: Ledger) -> None:
    message = await ended(ledger)
    html = (await operator.post("/dead/act", review_of(message))).text
    assert "1 accepted again" in html
    assert isinstance(await ledger.lease(message.id), Lease)


async def test_the_result_says_how_many_were_refused_and_why(
    operator: Browser, ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    first, *_ = await several(ledger, 3)
    await close_session(redis, first)
    group = {"reason": "failed: errcode 300001", "act": "retry"}
    html = (await operator.post("/dead/act", group)).text
    assert "2 accepted again" in html
    assert "1 refused: the session has closed" in html


async def test_those_that_died_after_the_question_are_left_alone(
    operator: Browser, ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger, msgId="1")
    (head,) = await admin.dead_letter_heads(newest=10)
    later = await ended(ledger, msgId="2")
    await admin._redis.zadd(KEYS.dead, {later.id: head.ended_ms + 1})
    group = {"reason": head.reason, "until_ms": str(head.ended_ms), "act": "discard"}
    assert "1 discarded" in (await operator.post("/dead/act", group)).text
    assert [each.id for each in await admin.dead_letter_heads(newest=10)] == [later.id]


async def test_only_those_chosen_are_discarded(
    operator: Browser, ledger: Ledger, admin: LedgerAdmin
) -> None:
    first, second, third = await several(ledger, 3)
    chosen = {"id": [first.id, third.id], "act": "discard"}
    assert "2 discarded" in (await operator.post("/dead/act", chosen)).text
    assert [each.id for each in await admin.dead_letter_heads(newest=10)] == [second.id]


async def test_an_act_that_names_no_dead_letter_does_nothing(
    operator: Browser, ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger)
    for fields in ({}, {"id": "0" * 64}, {"reason": "nobody's"}, {"until_ms": "9" * 30}):
        html = (await operator.post("/dead/act", fields | {"act": "discard"})).text
        assert "Nothing is chosen" in html
    assert await admin.dead_letter_count() == 1


async def test_an_act_is_logged_with_its_messages_and_its_result(
    operator: Browser, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    messages = await several(ledger, 25)
    with caplog.at_level(logging.INFO, "dingda.dashboard"):
        await operator.post("/dead/act", {"reason": "failed: errcode 300001", "act": "retry"})
    lines = [line.removeprefix("audit: act at 192.0.2.7: ") for line in caplog.messages]
    assert lines[0] == "retries 25 dead letters"
    assert lines[-1] == "result: 25 accepted"
    assert {word for line in lines[1:-1] for word in line.split()} == {m.id for m in messages}


async def test_an_act_that_redis_cuts_short_is_logged_as_far_as_it_came(
    operator: Browser,
    ledger: Ledger,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await several(ledger, 3)
    asked = list[str]()

    async def discard(_: LedgerAdmin, message_id: str) -> bool:
        if asked:
            raise RedisConnectionError
        asked.append(message_id)
        return True

    monkeypatch.setattr(LedgerAdmin, "discard", discard)
    with caplog.at_level(logging.INFO, "dingda.dashboard"):
        group = {"reason": "failed: errcode 300001", "act": "discard"}
        response = await operator.post("/dead/act", group)
    assert response.status_code == 503
    assert '<meta http-equiv="refresh" content="5; url=/">' in response.text
    assert "audit: act at 192.0.2.7: result: 1 discarded" in caplog.messages


async def test_a_reader_is_shown_no_button_that_acts(browser: Browser, ledger: Ledger) -> None:
    message = await ended(ledger)
    for path in (
        "/",
        "/dead",
        "/dead/group?reason=failed: errcode 300001",
        f"/messages/{message.id}",
    ):
        html = (await browser.get(path)).text
        assert 'name="act"' not in html
        assert "sign in with the password to act" in html


@pytest.mark.parametrize("text", HOSTILE)
async def test_nothing_that_people_named_becomes_html(
    operator: Browser, ledger: Ledger, text: str
) -> None:
    completion = Completion(Outcome.DEAD, DeadReason.FAILED, text)
    message = await ended(ledger, completion, conversationTitle=text, senderStaffId=text)
    reason = f"failed: {text}"
    pages = [
        await operator.get("/dead"),
        await operator.get("/dead/group", params={"reason": reason}),
        await operator.get(f"/messages/{message.id}"),
        await operator.get("/messages", params={"id": text}),
        await operator.post("/dead/review", {"reason": reason, "act": "retry"}),
        await operator.get("/sign-in", params={"next": f"/{text}"}),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "<script>" not in page.text
        assert "<img src=x" not in page.text
        assert "544439" not in page.text
        # Only the value of a field, which goes back with the form, holds what was there.
        assert not {"\u202e", "\x1b", "\x00"} & set(re.sub(r'value="[^"]*"', "", page.text))


async def test_a_hostile_reason_can_still_be_discarded(
    operator: Browser, ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger, Completion(Outcome.DEAD, DeadReason.FAILED, HOSTILE[1]))
    fields = {"reason": f"failed: {HOSTILE[1]}", "act": "discard"}
    assert "1 discarded" in (await operator.post("/dead/act", fields)).text
    assert await admin.dead_letter_count() == 0


@pytest.mark.parametrize("page", ["0", "-1", "x", "９", "9" * 5000])
async def test_a_page_that_is_no_number_is_the_first_or_the_last(
    browser: Browser, ledger: Ledger, page: str
) -> None:
    await ended(ledger)
    response = await browser.get(f"/dead/group?reason=failed: errcode 300001&page={page}")
    assert "1–1 of 1" in response.text


async def test_a_time_that_no_calendar_has_breaks_no_page(
    browser: Browser, ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    message = await ended(ledger)
    await redis.zadd(KEYS.dead, {message.id: 9e15})
    for path in ("/dead", "/dead/group?reason=failed: errcode 300001", f"/messages/{message.id}"):
        assert (await browser.get(path)).status_code == 200


async def test_a_spoilt_record_is_listed_and_breaks_no_page(
    browser: Browser, redis: fakeredis.FakeAsyncRedis
) -> None:
    await redis.set(KEYS.message("planted<b>"), "no hash")
    await redis.zadd(KEYS.dead, {"planted<b>": 1})
    html = (await browser.get("/dead")).text
    assert "failed: its record is spoilt" in html
    group = await browser.get("/dead/group?reason=failed: its record is spoilt")
    assert group.status_code == 200
    assert "planted<b>" not in group.text


async def test_a_row_of_an_event_says_which(browser: Browser, ledger: Ledger) -> None:
    await event_ended(ledger)
    page = await browser.get("/dead/group?reason=failed: errcode 300001")
    assert "event: chat_add_member" in page.text
