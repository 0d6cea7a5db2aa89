"""Events and card actions as the ledger keeps them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.shared.dingtalk.card_action import CardAction, parse_card_action
from dingda.shared.dingtalk.event import EVENT_HEADERS, Event, parse_event
from dingda.shared.dingtalk.message import parse_message, read_envelope
from dingda.shared.dingtalk.notification import (
    LIFE_MS,
    Notification,
    card_action_envelope,
    card_action_payload,
    event_envelope,
    event_payload,
    is_notification,
    parse_notification,
    press_of,
)
from dingda.shared.errors import InvalidMessageError
from tests.support.builders import a_callback, a_card_callback, an_event, event_headers

EVENT = event_payload("dingrobot", event_headers(), an_event(title="周会"))
CARD_ACTION = card_action_payload("dingrobot", a_card_callback())


def test_an_event_is_read_as_it_came() -> None:
    event = parse_event(event_headers(), an_event(title="周会"))
    assert isinstance(event, Event)
    assert parse_notification(EVENT) == Notification("dingrobot", event)


def test_a_card_action_is_read_as_it_came() -> None:
    assert parse_notification(CARD_ACTION) == Notification(
        "dingrobot", parse_card_action(a_card_callback())
    )


@pytest.mark.parametrize("payload", [EVENT, CARD_ACTION], ids=["event", "card action"])
def test_neither_is_ever_taken_for_a_message(payload: bytes) -> None:
    assert is_notification(payload)
    for read in (parse_message, read_envelope):  # as workers of the version before do
        with pytest.raises(InvalidMessageError):
            read(payload)


def test_no_body_that_is_stored_as_a_message_is_taken_for_either() -> None:
    assert not is_notification(a_callback())
    with pytest.raises(InvalidMessageError):
        read_envelope(b"[" + a_callback() + b"]")


@pytest.mark.parametrize(
    "payload",
    [
        b"[]",
        b"[",
        b'["event","r",{}]',
        b'["event","r",[],"{}"]',
        b'["event",7,{},"{}"]',
        b'["event","r",{},"{}"]',
        b'["push","r",{"eventType":"t","eventId":"e"},"{}"]',
        b'["event","r",{"eventType":"t","eventId":"e"},"{\\"errCode\\":20001}"]',
        b'["card action","r",{},"[]"]',
    ],
)
def test_another_payload_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidMessageError):
        parse_notification(payload)


def test_operators_read_what_kind_it_is() -> None:
    assert parse_notification(EVENT).title == "event: chat_add_member"
    assert parse_notification(CARD_ACTION).title == "card action: approve"
    assert Notification("", CardAction(("a", "b"))).title == "card action: a, b"


def test_it_is_kept_for_a_day() -> None:
    now_ms = 1_700_000_000_000
    event, action = Event("t", id="e1"), CardAction(("a",), out_track_id="c", user_id="0001")
    for envelope in (
        event_envelope("r", event, now_ms=now_ms),
        card_action_envelope("r", action, "p", now_ms=now_ms),
    ):
        assert envelope.session_expires_ms == now_ms + LIFE_MS


def test_no_message_can_have_the_identity_of_an_event() -> None:
    """What is hashed of a message has lines of others' choice, so it could otherwise be forged."""
    event = event_envelope("dingrobot", Event("t", id="e1"), now_ms=0)
    for robot, bot in (("event", "dingrobot"), ("event\ndingrobot", ""), ('["event"', '"r"]')):
        forged = read_envelope(a_callback(robotCode=robot, chatbotUserId=bot, msgId="e1"))
        assert forged.id != event.id  # type: ignore[union-attr]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
_CONTENT = st.fixed_dictionaries(
    {},
    optional={
        "cardPrivateData": st.fixed_dictionaries(
            {}, optional={"actionIds": _JSON, "params": _JSON}
        ),
        "params": _JSON,
    },
)
_CALLBACK = st.fixed_dictionaries(
    {},
    optional={
        "userId": _JSON | st.text(min_size=1),
        "outTrackId": _JSON | st.text(min_size=1),
        "content": _JSON | _CONTENT | _CONTENT.map(json.dumps),
        "value": _JSON | _CONTENT,
        "spaceId": _JSON,
    },
)


@given(fields=_CALLBACK)
def test_whatever_a_callback_holds_is_read_or_refused_and_kept_as_it_came(fields: Any) -> None:
    data = json.dumps(fields).encode()
    try:
        action = parse_card_action(data)
    except InvalidMessageError:
        return
    assert parse_notification(card_action_payload("r", data)) == Notification("r", action)
    envelope = card_action_envelope("r", action, "p", now_ms=0)
    assert (len(envelope.id), len(press_of("r", action).what)) == (64, 64)


@given(headers=st.dictionaries(st.sampled_from(EVENT_HEADERS), st.text()), fields=_JSON)
def test_whatever_an_event_holds_is_read_or_refused_and_kept_as_it_came(
    headers: dict[str, str], fields: Any
) -> None:
    data = json.dumps(fields).encode()
    try:
        event = parse_event(headers, data)
    except InvalidMessageError:
        return
    assert isinstance(event, Event)
    payload = event_payload("r", headers, data)
    assert parse_notification(payload) == Notification("r", event)
    assert len(event_envelope("r", event, now_ms=0).id) == 64


@given(payload=_JSON.map(json.dumps))
def test_whatever_else_is_in_its_place_is_refused(payload: str) -> None:
    with pytest.raises(InvalidMessageError):
        parse_notification(payload.encode())
