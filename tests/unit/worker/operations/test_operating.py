"""An operator sees how things stand, and what became of the dead letters."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import fakeredis
import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadLetter, DeadReason, Lease, Outcome
from dingda.shared.queue import JobQueue
from dingda.worker.operations.operating import (
    find_letter,
    is_working,
    read_status,
    retry_letter,
    show_letter,
    show_letters,
    show_status,
)
from tests.support.builders import KEYS, a_callback, a_message, now_ms

FAILED = Completion(Outcome.DEAD, DeadReason.FAILED, "errcode 300001")
QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
NOW_S = 1_800_000_000.0


@pytest.fixture
async def redis() -> AsyncIterator[fakeredis.FakeAsyncRedis]:
    client = fakeredis.FakeAsyncRedis(decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
def ledger(redis: fakeredis.FakeAsyncRedis) -> Ledger:
    return Ledger(redis, QUEUE)


@pytest.fixture
def admin(redis: fakeredis.FakeAsyncRedis) -> LedgerAdmin:
    return LedgerAdmin(redis, QUEUE)


async def accepted(ledger: Ledger, text: str = "天气 北京", **fields: Any) -> Message:
    body = a_callback(text, **fields)
    message = a_message(text, **fields)
    await ledger.accept([(message, body)], backlog_limit=100)
    return message


async def ended(ledger: Ledger, completion: Completion = FAILED, **fields: Any) -> Message:
    message = await accepted(ledger, **fields)
    lease = await ledger.lease(message.id)
    assert isinstance(lease, Lease)
    await ledger.finish(lease, completion)
    return message


async def letter_of(admin: LedgerAdmin) -> DeadLetter:
    (letter,) = await admin.dead_letters()
    return letter


async def test_the_status_counts_every_end(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger, msgId="1")
    await ended(ledger, Completion(Outcome.ANSWERED), msgId="2")
    await ended(ledger, Completion(Outcome.UNMATCHED), msgId="3")
    await accepted(ledger, msgId="4")
    status = await read_status(redis, admin, QUEUE)
    assert (status.accepted, status.answered, status.unmatched, status.open) == (4, 1, 1, 1)
    assert status.dead == {"failed": 1}


async def test_the_status_tells_how_many_wait_and_the_oldest_age(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await accepted(ledger, msgId="1")
    await accepted(ledger, msgId="2")
    await redis.hset(KEYS.message(message.id), "accepted_ms", now_ms() - 5_000)
    status = await read_status(redis, admin, QUEUE)
    assert status.queued == 2
    assert status.oldest_s == pytest.approx(5.0, abs=0.5)


async def test_an_empty_system_has_a_status_too(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    status = await read_status(redis, admin, QUEUE)
    assert (status.accepted, status.queued, status.oldest_s, status.workers) == (0, 0, 0.0, 0)


async def test_the_status_as_json_has_the_keys_that_others_rely_on(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    shown = json.loads(show_status(await read_status(redis, admin, QUEUE), as_json=True))
    keys = {"accepted", "answered", "unmatched", "refused", "dead", "open", "queued"}
    assert keys | {"oldest_s", "workers"} <= set(shown)


async def test_the_status_in_lines_has_a_line_for_each_figure(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger)
    lines = show_status(await read_status(redis, admin, QUEUE), as_json=False).splitlines()
    assert "accepted   1" in lines
    assert "dead       failed 1" in lines


async def test_dead_letters_are_listed_with_reason_age_and_conversation(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    letter = await letter_of(admin)
    line = show_letters([letter], as_json=False, now_s=letter.ended_ms / 1000 + 30)
    assert line.startswith(message.id[:12])
    for part in ("30 s ago", "leased 1×", "测试群", "failed: errcode 300001"):
        assert part in line


async def test_no_list_shows_what_was_said_or_where_to_answer(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger, text="我的绩效")
    letter = await letter_of(admin)
    for as_json in (True, False):
        for shown in (
            show_letters([letter], as_json=as_json, now_s=NOW_S),
            show_letter(letter, as_json=as_json, now_s=NOW_S),
            repr(letter),
        ):
            assert "绩效" not in shown
            assert "session=" not in shown


async def test_without_dead_letters_the_list_says_so(admin: LedgerAdmin) -> None:
    assert await admin.dead_letters() == []
    assert show_letters([], as_json=False, now_s=NOW_S) == "no dead letters"
    assert json.loads(show_letters([], as_json=True, now_s=NOW_S)) == []


async def test_a_letter_is_found_by_the_beginning_of_its_id(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    letters = await admin.dead_letters()
    assert find_letter(letters, message.id[:6]) == letters[0]


async def test_a_beginning_that_fits_two_letters_names_none(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger, msgId="1")
    await ended(ledger, msgId="2")
    assert find_letter(await admin.dead_letters(), "") is None


async def test_a_retried_letter_can_be_leased_with_what_was_said(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    retried, _ = await retry_letter(admin, await letter_of(admin))
    assert retried
    lease = await ledger.lease(message.id)
    assert isinstance(lease, Lease)
    assert "天气 北京" in lease.payload.decode()
    assert lease.delivery_attempt == 1


async def test_a_retried_letter_is_open_again_and_no_longer_dead(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger)
    await retry_letter(admin, await letter_of(admin))
    counts = await admin.counts()
    assert (counts.open, counts.dead) == (1, {"failed": 0})
    assert await admin.dead_letters() == []


async def test_a_retry_after_the_session_has_closed_is_refused_with_the_reason(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    await redis.delete(KEYS.dead_letter_payload(message.id))
    retried, sentence = await retry_letter(admin, await letter_of(admin))
    assert not retried
    assert "session has closed" in sentence


async def test_what_was_said_is_kept_no_longer_than_the_session(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    message = await ended(ledger, sessionWebhookExpiredTime=now_ms() + 60_000)
    left_ms = await redis.pttl(KEYS.dead_letter_payload(message.id))
    assert 55_000 < left_ms <= 60_000


async def test_only_dead_letters_keep_what_was_said(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    for number, end in enumerate((Outcome.ANSWERED, Outcome.UNMATCHED, Outcome.DECLINED)):
        await ended(ledger, Completion(end), msgId=str(number))
    assert await redis.keys(KEYS.dead_letter_payload("*")) == []


async def test_a_letter_is_retried_once_however_often_it_is_asked_for(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger)
    letter = await letter_of(admin)
    for _ in range(3):
        await admin.retry_dead_letter(letter.id)
    counts = await admin.counts()
    assert (counts.open, counts.dead) == (1, {"failed": 0})


async def test_a_dropped_letter_leaves_the_list_and_stays_counted(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    assert await admin.discard(message.id)
    assert await admin.dead_letters() == []
    assert (await admin.counts()).dead == {"failed": 1}
    assert await redis.keys(KEYS.dead_letter_payload("*")) == []


FORGED_TITLE = "群\n3f2a00000000        1 s ago  leased 1×  財務\x1b]0;owned\x07\x1b[2J\u202e\x9b2J"


async def test_a_groups_name_forges_no_row_and_commands_no_terminal(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger, conversationTitle=FORGED_TITLE)
    letter = await letter_of(admin)
    listed = show_letters([letter], as_json=False, now_s=NOW_S)
    assert listed.isprintable()
    assert "群\\n3f2a" in listed
    for line in show_letter(letter, as_json=False, now_s=NOW_S).splitlines():
        assert line.isprintable()
        assert not line.startswith("3f2a")


async def test_json_holds_a_groups_name_as_it_is_and_commands_no_terminal(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger, conversationTitle=FORGED_TITLE)
    letter = await letter_of(admin)
    for shown in (
        show_letter(letter, as_json=True, now_s=NOW_S),
        show_letters([letter], as_json=True, now_s=NOW_S),
    ):
        assert shown.isprintable()
        assert "群" in shown
        found = json.loads(shown)
        assert (found[0] if isinstance(found, list) else found)["conversation"] == FORGED_TITLE


async def test_a_long_name_is_cut(ledger: Ledger, admin: LedgerAdmin) -> None:
    await ended(ledger, conversationTitle="群" * 5000)
    assert len(show_letters([await letter_of(admin)], as_json=False, now_s=NOW_S)) < 400


async def test_a_planted_reason_id_or_total_commands_no_terminal(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    planted = "\x1b[2Jid\n"
    await redis.hset(KEYS.message(planted), mapping={"state": "dead", "reason": "a\nb\x1bc"})
    await redis.zadd(KEYS.dead, {planted: 1})
    await redis.hset(KEYS.count, "dead:\x1b[2J\nanswered   9", 1)
    letter = await letter_of(admin)
    status = await read_status(redis, admin, QUEUE)
    _, sentence = await retry_letter(admin, letter)
    for shown in (
        show_letters([letter], as_json=False, now_s=NOW_S),
        show_status(status, as_json=True),
        sentence,
        *show_status(status, as_json=False).splitlines(),
    ):
        assert shown.isprintable()


HERE, NOW = "here", datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("facts", "works"),
    [
        ({"hostname": HERE, "last_heartbeat": "2026-11-24T11:59:45.000000Z"}, True),
        ({"hostname": HERE, "last_heartbeat": "2026-11-24T11:59:15.000000Z"}, False),
        ({"hostname": "elsewhere", "last_heartbeat": "2026-11-24T11:59:45.000000Z"}, False),
        ({"hostname": HERE, "last_heartbeat": "soon"}, False),
        ({"hostname": HERE}, False),
        ({"last_heartbeat": "2026-11-24T11:59:45.000000Z"}, False),
        ({}, False),
    ],
)
async def test_a_host_works_if_one_of_its_workers_was_heard_of_lately(
    redis: fakeredis.FakeAsyncRedis, facts: dict[str, str], *, works: bool
) -> None:
    assert not await is_working(redis, QUEUE, host=HERE, now=NOW)
    await redis.sadd(QUEUE.workers_key, "rq:worker:w")
    for field, value in facts.items():
        await redis.hset("rq:worker:w", field, value)
    assert await is_working(redis, QUEUE, host=HERE, now=NOW) is works
