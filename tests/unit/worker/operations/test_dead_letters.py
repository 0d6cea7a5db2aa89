"""An operator sees what became of the dead letters, and retries or drops them."""

import json
from datetime import UTC, datetime

import fakeredis
import pytest

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadLetter, DeadReason, Lease, Outcome
from dingda.worker.operations.cluster_state import read_cluster_state
from dingda.worker.operations.dead_letters import (
    find_dead_letter,
    retry_dead_letter,
    show_dead_letter,
    show_dead_letters,
)
from dingda.worker.operations.formats import local_time
from dingda.worker.operations.status import show_status, status_of
from tests.support.builders import KEYS, now_ms
from tests.unit.worker.operations.messages import QUEUE, accepted, ended, event_ended

NOW_S = 1_800_000_000.0


async def only_dead_letter(admin: LedgerAdmin) -> DeadLetter:
    (letter,) = await admin.dead_letters()
    return letter


async def test_dead_letters_are_listed_with_reason_age_and_conversation(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    letter = await only_dead_letter(admin)
    line = show_dead_letters([letter], as_json=False, now_s=letter.ended_ms / 1000 + 30)
    assert line.startswith(message.id[:12])
    for part in ("30 s ago", "leased 1×", "测试群", "failed: errcode 300001"):
        assert part in line


async def test_no_list_shows_a_text_or_a_session(ledger: Ledger, admin: LedgerAdmin) -> None:
    await ended(ledger, text="我的绩效")
    letter = await only_dead_letter(admin)
    for as_json in (True, False):
        for shown in (
            show_dead_letters([letter], as_json=as_json, now_s=NOW_S),
            show_dead_letter(letter, as_json=as_json, now_s=NOW_S),
            repr(letter),
        ):
            assert "绩效" not in shown
            assert "session=" not in shown


async def test_without_dead_letters_the_list_says_so(admin: LedgerAdmin) -> None:
    assert await admin.dead_letters() == []
    assert show_dead_letters([], as_json=False, now_s=NOW_S) == "no dead letters"
    assert json.loads(show_dead_letters([], as_json=True, now_s=NOW_S)) == []


async def test_a_dead_letter_is_found_by_the_beginning_of_its_id(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    letters = await admin.dead_letters()
    assert find_dead_letter(letters, message.id[:6]) == letters[0]


async def test_a_beginning_that_fits_two_dead_letters_finds_none(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger, msgId="1")
    await ended(ledger, msgId="2")
    assert find_dead_letter(await admin.dead_letters(), "") is None


async def test_a_retried_dead_letter_can_be_leased_with_its_text(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    retried, _ = await retry_dead_letter(admin, await only_dead_letter(admin))
    assert retried
    lease = await ledger.lease(message.id)
    assert isinstance(lease, Lease)
    assert "天气 北京" in lease.payload.decode()
    assert lease.delivery_attempt == 1


async def test_a_retried_dead_letter_is_open_again_and_counted_as_revived(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger)
    await retry_dead_letter(admin, await only_dead_letter(admin))
    counts = await admin.counts()
    assert (counts.open, counts.revived) == (1, 1)
    assert await admin.dead_letters() == []


async def test_a_retry_after_the_session_has_closed_is_refused_with_the_reason(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    await redis.delete(KEYS.dead_letter_payload(message.id))
    retried, sentence = await retry_dead_letter(admin, await only_dead_letter(admin))
    assert not retried
    assert "session has closed" in sentence


async def test_a_text_is_kept_no_longer_than_its_session(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    message = await ended(ledger, sessionWebhookExpiredTime=now_ms() + 60_000)
    remaining_ms = await redis.pttl(KEYS.dead_letter_payload(message.id))
    assert 55_000 < remaining_ms <= 60_000


async def test_only_dead_letters_keep_their_text(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger
) -> None:
    for number, outcome in enumerate((Outcome.ANSWERED, Outcome.UNMATCHED, Outcome.DECLINED)):
        await ended(ledger, Completion(outcome), msgId=str(number))
    assert await redis.keys(KEYS.dead_letter_payload("*")) == []


async def test_a_dead_letter_is_retried_once_however_often_it_is_asked_for(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger)
    letter = await only_dead_letter(admin)
    for _ in range(3):
        await admin.retry_dead_letter(letter.id)
    counts = await admin.counts()
    assert (counts.open, counts.revived) == (1, 1)


async def test_a_dropped_dead_letter_leaves_the_list_and_stays_counted(
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
    letter = await only_dead_letter(admin)
    listed = show_dead_letters([letter], as_json=False, now_s=NOW_S)
    assert listed.isprintable()
    assert "群\\n3f2a" in listed
    for line in show_dead_letter(letter, as_json=False, now_s=NOW_S).splitlines():
        assert line.isprintable()
        assert not line.startswith("3f2a")


async def test_json_holds_a_groups_name_as_it_is_and_commands_no_terminal(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger, conversationTitle=FORGED_TITLE)
    letter = await only_dead_letter(admin)
    for shown in (
        show_dead_letter(letter, as_json=True, now_s=NOW_S),
        show_dead_letters([letter], as_json=True, now_s=NOW_S),
    ):
        assert shown.isprintable()
        assert "群" in shown
        found = json.loads(shown)
        assert (found[0] if isinstance(found, list) else found)["conversation"] == FORGED_TITLE


async def test_a_long_name_is_cut(ledger: Ledger, admin: LedgerAdmin) -> None:
    await ended(ledger, conversationTitle="群" * 5000)
    assert len(show_dead_letters([await only_dead_letter(admin)], as_json=False, now_s=NOW_S)) < 400


async def test_a_planted_reason_id_or_total_commands_no_terminal(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin
) -> None:
    planted = "\x1b[2Jid\n"
    await redis.hset(KEYS.message(planted), mapping={"state": "dead", "reason": "a\nb\x1bc"})
    await redis.zadd(KEYS.dead, {planted: 1})
    await redis.hset(KEYS.count, "dead:\x1b[2J\nanswered   9", 1)
    letter = await only_dead_letter(admin)
    status = status_of(await read_cluster_state(redis, admin, QUEUE))
    _, sentence = await retry_dead_letter(admin, letter)
    for shown in (
        show_dead_letters([letter], as_json=False, now_s=NOW_S),
        show_status(status, as_json=True),
        sentence,
        *show_status(status, as_json=False).splitlines(),
    ):
        assert shown.isprintable()


async def test_a_dead_letter_tells_its_skill_its_error_and_where_that_was_raised(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    facts = MessageFacts(skill="weather", error="KeyError", place="/app/w.py:12 in forecast")
    message = await accepted(ledger)
    lease = await ledger.lease(message.id)
    assert isinstance(lease, Lease)
    failed = Completion(Outcome.DEAD, DeadReason.FAILED, "KeyError in the skill")
    await ledger.finish(lease, failed, facts=facts.to_json())
    letter = await only_dead_letter(admin)
    shown = json.loads(show_dead_letter(letter, as_json=True, now_s=NOW_S))
    assert (shown["skill"], shown["error"]) == ("weather", "KeyError")
    assert shown["place"] == "/app/w.py:12 in forecast"
    assert "weather" in show_dead_letters([letter], as_json=False, now_s=NOW_S)


async def test_a_dead_letter_tells_the_time_by_the_clock_here(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await ended(ledger)
    letter = await only_dead_letter(admin)
    for as_json in (True, False):
        shown = show_dead_letter(letter, as_json=as_json, now_s=NOW_S)
        for at_ms in (letter.accepted_ms, letter.ended_ms):
            moment = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone()
            assert moment.isoformat() in shown
    assert datetime.fromisoformat(local_time(letter.ended_ms)).utcoffset() is not None


@pytest.mark.parametrize("at_ms", [0, 10**15, 9_999_999_999_999_999])
def test_a_time_that_is_none_is_not_shown(at_ms: int) -> None:
    assert local_time(at_ms) == ""


async def test_a_dead_letter_of_the_version_before_has_no_facts(
    redis: fakeredis.FakeAsyncRedis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    await redis.hdel(KEYS.message(message.id), "facts")
    letter = await only_dead_letter(admin)
    assert letter.facts == MessageFacts()
    assert "failed: errcode 300001" in show_dead_letters([letter], as_json=False, now_s=NOW_S)


async def test_a_dead_letter_of_an_event_shows_which_event_and_can_be_retried(
    ledger: Ledger, admin: LedgerAdmin
) -> None:
    await event_ended(ledger)
    letter = await only_dead_letter(admin)
    assert "  chats  event: chat_add_member  " in show_dead_letters(
        [letter], as_json=False, now_s=NOW_S
    )
    facts = json.loads(show_dead_letter(letter, as_json=True, now_s=NOW_S))
    assert (facts["kind"], facts["can_retry"]) == ("event: chat_add_member", True)
    assert (await retry_dead_letter(admin, letter))[0]
