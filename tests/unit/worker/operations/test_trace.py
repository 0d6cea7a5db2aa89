"""An operator finds a message, and sees what became of it; never what anybody wrote."""

import json
from datetime import UTC, datetime
from typing import Any

import fakeredis
import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.facts import BackendCall, MessageFacts
from dingda.shared.ledger.journal import read_journal
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.message_trace import read_message
from dingda.shared.ledger.states import Completion, Lease, Outcome
from dingda.worker.operations.trace import (
    Times,
    parse_since,
    show_entries,
    show_message,
    why_nothing_fits,
)
from tests.support.builders import KEYS
from tests.unit.worker.operations.messages import FAILED, QUEUE, accepted, event_ended

WORDS = "我的工资"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def ledger(redis: fakeredis.FakeAsyncRedis) -> Ledger:
    return Ledger(redis, QUEUE, journal=100)


async def ended(ledger: Ledger, completion: Completion = FAILED, **noted: object) -> Message:
    message = await accepted(ledger, WORDS, msgId=f"msg{id(noted)}", senderId="s", senderNick=WORDS)
    lease = await ledger.lease(message.id)
    assert isinstance(lease, Lease)
    facts = MessageFacts.of(message, skill="weather", arguments={"city": "str"}, **noted)
    await ledger.claim_send(lease, facts=facts.to_json())
    await ledger.finish(lease, completion, facts=facts.to_json())
    return message


async def listed(redis: fakeredis.FakeAsyncRedis, *, as_json: bool = False) -> str:
    return show_entries(await read_journal(redis, QUEUE), as_json=as_json)


async def whole(redis: fakeredis.FakeAsyncRedis, wanted: str, *, as_json: bool = False) -> str:
    found = await read_message(redis, QUEUE, wanted)
    assert found
    return show_message(found, as_json=as_json)


async def test_a_line_names_the_message_its_end_its_skill_and_what_took_how_long(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    message = await ended(ledger, error="KeyError", place="acme.py:3 in leave")
    line = await listed(redis)
    assert len(line.splitlines()) == 1
    for part in (
        message.id[:12],
        "failed: errcode 300001",
        "weather",
        "queue 0.",
        "skill 0.",
        "delivery 0.",
        "KeyError at acme.py:3 in leave",
    ):
        assert part in line


async def test_the_whole_way_of_one_has_its_steps_in_order_with_the_backends_between(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    calls = (BackendCall("api.example", "200", 120), BackendCall("api.example", "TimeoutError", 9))
    message = await ended(ledger, Completion(Outcome.ANSWERED), calls=calls)
    shown = await whole(redis, message.id[:12])
    assert f"message       {message.id}" in shown
    assert "skill         weather(city: str)" in shown
    assert "state         answered" in shown
    steps = shown.partition("\n\n")[2].splitlines()
    assert [step.split("  ")[-1 if step[0] != " " else 0] for step in steps[:2]] == [
        "accepted",
        "leased",
    ]
    assert steps[2].split() == ["api.example", "200", "120", "ms"]
    assert steps[3].split() == ["api.example", "TimeoutError", "9", "ms"]
    assert [step.split("  ")[-1] for step in steps[4:]] == ["reply claimed", "answered"]


async def test_of_several_robots_the_one_that_was_spoken_to_is_named(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    labels = {"dingrobot": "小钉", "dingother": "小红"}
    await ended(ledger)
    (entry,) = await read_journal(redis, QUEUE)
    assert show_entries([entry], as_json=False, labels=labels).endswith("  to 小钉")
    found = await read_message(redis, QUEUE, entry.id)
    assert found
    assert "robot         小钉 dingrobot" in show_message(found, as_json=False, labels=labels)


async def test_one_is_found_by_dingtalks_own_id_too(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    message = await ended(ledger)
    assert message.id in await whole(redis, message.msg_id)


async def test_one_that_is_open_shows_the_steps_so_far(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    message = await accepted(ledger, WORDS)
    shown = await whole(redis, message.id)
    assert "state         accepted" in shown
    assert len(shown.partition("\n\n")[2].splitlines()) == 1


async def test_nothing_shows_what_anybody_wrote(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    message = await ended(ledger)
    for as_json in (True, False):
        for shown in (
            await listed(redis, as_json=as_json),
            await whole(redis, message.id, as_json=as_json),
        ):
            assert WORDS not in shown
            assert "session=" not in shown


async def test_hostile_ids_are_one_printable_line(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    trick = "a\x1b[2J\nb\u202e"
    await ended(ledger, error=trick, place=trick)
    line = await listed(redis)
    assert line.isprintable()


async def test_json_has_all_of_it(redis: fakeredis.FakeAsyncRedis, ledger: Ledger) -> None:
    message = await ended(ledger, calls=(BackendCall("api.example", "200", 120),))
    (entry,) = json.loads(await listed(redis, as_json=True))
    one = json.loads(await whole(redis, message.id, as_json=True))
    for facts in (entry, one):
        assert (facts["id"], facts["skill"]) == (message.id, "weather")
        assert facts["arguments"] == {"city": "str"}
        assert facts["calls"] == [{"host": "api.example", "result": "200", "took_ms": 120}]
        assert set(facts["stages_s"]) == {"queue", "skill", "delivery", "total"}
    assert one["timeline"]["lease_count"] == 1


async def test_where_nothing_is_found_it_says_how_far_back_the_journal_goes(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    await ended(ledger)
    why = await why_nothing_fits(redis, QUEUE)
    assert why.startswith("No message fits. The journal holds the 1 that ended since 20")


async def test_where_no_journal_is_kept_it_says_so(redis: fakeredis.FakeAsyncRedis) -> None:
    assert "DINGDA_JOURNAL=0 keeps none" in await why_nothing_fits(redis, QUEUE)
    await redis.set(KEYS.journal, "something else")
    assert "DINGDA_JOURNAL=0 keeps none" in await why_nothing_fits(redis, QUEUE)


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("90s", datetime(2026, 11, 28, 11, 58, 30, tzinfo=UTC)),
        ("30m", datetime(2026, 11, 28, 11, 30, tzinfo=UTC)),
        ("2h", datetime(2026, 11, 28, 10, tzinfo=UTC)),
        ("1d", datetime(2026, 11, 27, 12, tzinfo=UTC)),
        ("2026-11-28T10:00+00:00", datetime(2026, 11, 28, 10, tzinfo=UTC)),
        ("2026-11-28T18:00+08:00", datetime(2026, 11, 28, 10, tzinfo=UTC)),
    ],
)
def test_how_far_back_is_an_age_or_a_time(text: str, since: datetime) -> None:
    assert parse_since(text, NOW) == since


def test_a_time_without_a_zone_is_local() -> None:
    assert parse_since("2026-11-28T10:00", NOW) == datetime(2026, 11, 28, 10).astimezone()


@pytest.mark.parametrize("text", ["soon", "2 h", "-2h", "2w", "", "999999d"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - datetime's own
        parse_since(text, NOW)


def test_a_claim_by_an_earlier_attempt_is_no_step_of_the_last() -> None:
    assert Times(1_000, 5_000, 2_000, 6_000).stages_s == {"queue": 4.0, "skill": 1.0, "total": 5.0}


async def test_a_moment_that_no_calendar_has_is_shown_as_a_number(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    message = await ended(ledger)
    await redis.hset(KEYS.message(message.id), "accepted_ms", "9" * 16)
    rows: list[tuple[str, dict[Any, Any]]] = await redis.xrange(KEYS.journal)  # type: ignore[assignment]
    ((_, row),) = rows
    await redis.xadd(KEYS.journal, row | {"accepted_ms": "9" * 16}, id=f"{'9' * 16}-0")
    assert f"{'9' * 16} ms" in await listed(redis)
    assert f"{'9' * 16} ms" in await whole(redis, message.id)


async def test_an_event_is_shown_by_its_kind_and_the_retries_of_its_hooks(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    event_id = await event_ended(ledger, Completion(Outcome.ANSWERED), retries=2)
    assert "  event: chat_add_member" in await listed(redis)
    shown = await whole(redis, "e1")
    for line in (
        f"message       {event_id}",
        "msg-id        e1",
        "kind          event: chat_add_member",
        "robot         dingrobot",
        "skill         chats()",
        "retried       2×",
    ):
        assert line in shown.splitlines()
    assert "sent" not in shown
