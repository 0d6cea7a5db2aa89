"""One message: found by what one knows of it, and shown without what was written."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import fakeredis
import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.facts import BackendCall, MessageFacts
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome
from dingda.shared.ledger.timeline import MessageTimeline
from dingda.worker.operations.dashboard.messages_page import moment_ms, steps_of
from tests.support.builders import KEYS
from tests.unit.worker.operations.dashboard.conftest import ACT, Browser, Open
from tests.unit.worker.operations.messages import FAILED, QUEUE, accepted, event_ended

ANSWERED = Completion(Outcome.ANSWERED)
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def ledger(redis: fakeredis.FakeAsyncRedis) -> Ledger:
    """A ledger that notes what ended."""
    return Ledger(redis, QUEUE, journal=1000)


@pytest.fixture
async def reader(dashboard: Open) -> AsyncIterator[Browser]:
    """Signed in to act, where the settings let one see what was written."""
    async with dashboard(act_password=ACT, show_words=True) as browser:
        await browser.sign_in()
        yield browser


async def answered(
    ledger: Ledger, completion: Completion = ANSWERED, *, noted: Any = None, **fields: Any
) -> Message:
    message = await accepted(ledger, **fields)
    lease = await ledger.lease(message.id)
    assert isinstance(lease, Lease)
    facts = MessageFacts.of(message, **(noted or {"skill": "weather"})).to_json()
    await ledger.claim_send(lease, facts=facts)
    await ledger.finish(lease, completion, facts=facts)
    return message


async def found_by(browser: Browser, **fields: str) -> str:
    response = await browser.get("/messages", params=fields)
    assert response.status_code == 200
    return response.text


async def test_an_open_message_is_found_by_the_beginning_of_its_id(
    browser: Browser, ledger: Ledger
) -> None:
    message = await accepted(ledger)
    response = await browser.get("/messages", params={"id": message.id[:12]})
    assert response.headers["location"] == f"/messages/{message.id}"
    assert "accepted and queued" in (await browser.get(f"/messages/{message.id}")).text


async def test_an_ended_message_is_found_by_dingtalks_id(browser: Browser, ledger: Ledger) -> None:
    message = await answered(ledger, msgId="msgXYZ/+==")
    response = await browser.get("/messages", params={"id": " msgXYZ/+== "})
    assert response.headers["location"] == f"/messages/{message.id}"


async def test_ended_messages_are_listed_by_sender_and_by_conversation(
    browser: Browser, ledger: Ledger
) -> None:
    first = await answered(ledger, msgId="1", senderStaffId="0001", conversationId="cidA")
    second = await answered(ledger, msgId="2", senderStaffId="0002", conversationId="cidB")
    for fields in ({"sender": "0001"}, {"conversation": "cidA"}):
        html = await found_by(browser, **fields)
        assert (first.id in html, second.id in html) == (True, False)
    everything = await found_by(browser)
    assert (first.id in everything, second.id in everything) == (True, True)


async def test_ended_messages_are_listed_by_time(browser: Browser, ledger: Ledger) -> None:
    message = await answered(ledger)
    assert message.id in await found_by(browser, since="2001-01-01T00:00")
    assert message.id in await found_by(browser, until="2101-01-01T00:00")
    assert message.id not in await found_by(browser, until="2001-01-01T00:00")
    assert message.id not in await found_by(browser, since="2101-01-01T00:00")


@pytest.mark.parametrize("typed", ["", "yesterday", "0001-01-01T00:00", "9999-12-31T23:59", "1"])
def test_a_time_that_is_none_is_no_bound(typed: str) -> None:
    assert moment_ms(typed) is None or typed.startswith("9999")


@pytest.mark.parametrize("wanted", ["0" * 64, "abcd", "nobody's", EVIL, "../../etc/passwd", "*"])
async def test_what_nobody_knows_is_not_found(
    browser: Browser, ledger: Ledger, wanted: str
) -> None:
    await answered(ledger)
    assert "Neither ledger nor journal knows this id" in await found_by(browser, id=wanted)


async def test_an_unknown_message_has_no_page(browser: Browser) -> None:
    response = await browser.get("/messages/" + "0" * 64)
    assert response.status_code == 404
    assert "Neither ledger nor journal knows this id" in response.text


async def test_it_is_shown_with_its_steps_skill_arguments_and_backend_calls(
    browser: Browser, ledger: Ledger
) -> None:
    noted = {
        "skill": "weather",
        "arguments": {"city": "Place"},
        "calls": (BackendCall("api.open-meteo.com", "TimeoutError", 8000),),
        "error": "ValueError",
        "place": "acme/leave.py:12 in leave",
    }
    message = await answered(ledger, FAILED, noted=noted)
    html = (await browser.get(f"/messages/{message.id}")).text
    for part in (
        *("accepted and queued", "taken by a worker", "claimed to send", "errcode 300001"),
        *("weather", "city: Place", "api.open-meteo.com", "TimeoutError", "8 s", "ValueError"),
        *("acme/leave.py:12 in leave", "msgAAAA==", "0001", "cidAAAA=="),
    ):
        assert part in html, part


async def test_a_group_of_dead_letters_names_the_skill_and_the_errors_class(
    browser: Browser, ledger: Ledger
) -> None:
    await answered(ledger, FAILED, noted={"skill": "leave", "error": "KeyError"})
    html = (await browser.get("/dead/group?reason=failed: errcode 300001")).text
    assert "leave <code>KeyError</code>" in html


async def test_what_others_named_becomes_no_html(browser: Browser, ledger: Ledger) -> None:
    noted = {
        "skill": EVIL,
        "arguments": {EVIL: EVIL},
        "calls": (BackendCall(EVIL, EVIL, 1),),
        "error": EVIL,
        "place": EVIL,
    }
    fields = {"msgId": EVIL, "senderStaffId": EVIL, "conversationId": EVIL, "robotCode": EVIL}
    completion = Completion(Outcome.DEAD, DeadReason.FAILED, EVIL)
    message = await answered(ledger, completion, noted=noted, conversationTitle=EVIL, **fields)
    for html in (await found_by(browser), (await browser.get(f"/messages/{message.id}")).text):
        assert "&lt;script&gt;" in html
        assert "<script>" not in html


async def test_what_was_written_is_shown_to_who_asks_and_logged(
    reader: Browser, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    message = await answered(ledger, FAILED, text="谁的<b>绩效</b>")
    page = (await reader.get(f"/messages/{message.id}")).text
    assert "绩效" not in page
    assert "Show what was written" in page
    with caplog.at_level(logging.INFO, "dingda.dashboard"):
        words = (await reader.post(f"/messages/{message.id}/words")).text
    assert "谁的&lt;b&gt;绩效&lt;/b&gt;" in words
    assert caplog.messages == [
        "audit: act at 192.0.2.7: reads what was written",
        f"audit: act at 192.0.2.7: {message.id}",
    ]


async def test_what_was_written_is_not_shown_unless_a_setting_allows_it(
    operator: Browser, ledger: Ledger
) -> None:
    message = await answered(ledger, FAILED, text="我的绩效")
    assert (
        "DINGDA_DASHBOARD_SHOW_WORDS is off" in (await operator.get(f"/messages/{message.id}")).text
    )
    response = await operator.post(f"/messages/{message.id}/words")
    assert response.status_code == 403
    assert "绩效" not in response.text


async def test_what_was_written_is_gone_once_the_session_has_closed(
    reader: Browser, ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    message = await answered(ledger, FAILED, text="我的绩效")
    await redis.delete(KEYS.dead_letter_payload(message.id))
    assert "It is deleted" in (await reader.get(f"/messages/{message.id}")).text
    assert "绩效" not in (await reader.post(f"/messages/{message.id}/words")).text


async def test_an_ended_message_can_be_neither_retried_nor_discarded(
    operator: Browser, ledger: Ledger
) -> None:
    message = await answered(ledger)
    assert 'name="act"' not in (await operator.get(f"/messages/{message.id}")).text


def test_the_steps_tell_how_long_each_took() -> None:
    timeline = MessageTimeline("dead", "expired", 1000, 1500, None, 4000, 1, None, "w1")
    steps = [(step.name, step.after_s, step.detail) for step in steps_of(timeline)]
    assert steps == [("accepted", None, ""), ("leased", 0.5, "w1"), ("ended", 2.5, "dead")]


async def test_an_event_is_shown_by_its_kind_on_both_pages(
    browser: Browser, ledger: Ledger
) -> None:
    event_id = await event_ended(ledger)
    assert "event: chat_add_member" in await found_by(browser)
    page = (await browser.get(f"/messages/{event_id}")).text
    assert "event: chat_add_member" in page
    assert "chat1" not in page
