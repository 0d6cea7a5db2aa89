"""What was said and shown is written down without tokens, and can be shown again."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from dingda.simulator.dingtalk.callback import FRESH
from dingda.simulator.dingtalk.card import Button, Card, CardState, CardView
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.transcript import (
    LOADED,
    Entry,
    Transcript,
    records_of,
    transcript_of,
)
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.testing.sample import callback_fields
from tests.support.simulator_harness import Clock

HELLO = {"msgtype": "text", "text": {"content": "你好"}}

CARDS = {
    "card1": Card(
        "card1",
        "template",
        created_at_ms=1,
        changed_at_ms=1,
        state=CardState.PLAIN,
        data={},
        private={},
        local={},
        views={"": CardView("报销", "120 元", buttons=(Button("同意"), Button("拒绝")))},
    )
}


def reply(dingtalk: Simulation, msg_id: str, payload: dict[str, Any]) -> None:
    record = dingtalk.record(msg_id)
    assert record is not None
    session = record.callback["sessionWebhook"].partition("session=")[2]
    body = json.dumps(payload).encode()
    assert dingtalk.reply(session, content_type="application/json", body=body).errcode == 0


def written(dingtalk: Simulation) -> Transcript:
    return transcript_of(dingtalk.records.since(0), CARDS.get)


def test_messages_are_written_in_order_with_their_replies_and_gaps(
    dingtalk: Simulation, clock: Clock
) -> None:
    first = dingtalk.send(UserMessage("天气 北京", sender="李四")).msg_id
    reply(dingtalk, first, HELLO)
    clock.now_ms += 1_500
    dingtalk.send(UserMessage("绩效", single=True))
    assert written(dingtalk) == Transcript(
        1,
        (
            Entry(UserMessage("天气 北京", sender="李四"), (HELLO,)),
            Entry(UserMessage("绩效", single=True), gap_ms=1_500),
        ),
    )


def test_what_the_bot_sent_first_is_written_with_its_chat(dingtalk: Simulation) -> None:
    dingtalk.bot_sends.to_person("李四", HELLO)
    said = UserMessage("", sender="李四", single=True)
    assert written(dingtalk).messages == (Entry(said, (HELLO,), pushed=True),)


def test_of_a_card_is_written_what_everybody_sees(dingtalk: Simulation) -> None:
    dingtalk.bot_sends.card_to_group("card1")
    (entry,) = written(dingtalk).messages
    assert entry.pushed
    assert entry.replies == (
        {"msgtype": "markdown", "markdown": {"title": "报销", "text": "120 元\n\n[同意] [拒绝]"}},
    )


def test_of_a_card_that_is_forgotten_its_place_is_written(dingtalk: Simulation) -> None:
    dingtalk.bot_sends.card_to_group("card2")
    said = UserMessage("", mention=False)
    assert written(dingtalk).messages == (Entry(said, pushed=True),)


def test_a_reply_that_was_refused_is_not_written(dingtalk: Simulation) -> None:
    msg_id = dingtalk.send(UserMessage("问")).msg_id
    dingtalk.expire(msg_id)
    record = dingtalk.record(msg_id)
    assert record is not None
    session = record.callback["sessionWebhook"].partition("session=")[2]
    dingtalk.reply(session, content_type="application/json", body=json.dumps(HELLO).encode())
    assert written(dingtalk).messages == (Entry(UserMessage("问")),)


def test_a_raw_callback_is_written_without_what_is_made_fresh(dingtalk: Simulation) -> None:
    callback = callback_fields("天气 北京")
    dingtalk.send_raw(json.dumps(callback).encode())
    (entry,) = written(dingtalk).messages
    assert entry.callback == {name: callback[name] for name in callback if name not in FRESH}
    assert entry.raw_body is not None
    assert json.loads(entry.raw_body) == entry.callback


def test_a_verbatim_body_is_written_byte_for_byte(dingtalk: Simulation) -> None:
    dingtalk.send_raw(b"\xff no JSON", verbatim=True)
    (entry,) = written(dingtalk).messages
    assert entry.raw_body == entry.verbatim == b"\xff no JSON"


def test_no_session_and_no_token_is_written(dingtalk: Simulation) -> None:
    url = "https://oapi.dingtalk.com/robot/send?access_token=secret1"
    msg_id = dingtalk.send(UserMessage(f'看 {url}" 吧')).msg_id
    reply(dingtalk, msg_id, {"msgtype": "text", "text": {"content": f'"{url}\\"'}})
    dingtalk.send_raw(json.dumps(callback_fields("问", extra={"url": [url]})).encode())
    dingtalk.send_raw(f"{url} session=secret2".encode(), verbatim=True)
    transcript = written(dingtalk)
    shown = transcript.to_json().decode()
    bodies = b"".join(entry.verbatim or b"" for entry in transcript.messages)
    sessions = [
        record.callback["sessionWebhook"].partition("session=")[2]
        for record in dingtalk.records.since(0)
        if record.callback
    ]
    assert not [secret for secret in ("secret1", *sessions) if secret in shown]
    assert b"secret" not in bodies
    assert "access_token=***" in shown


def test_what_is_written_can_be_read_and_leaves_out_defaults() -> None:
    transcript = Transcript(1, (Entry(UserMessage("问"), (HELLO,), gap_ms=5, verbatim=b"\xff"),))
    body = transcript.to_json()
    assert Transcript.from_json(body) == transcript
    assert json.loads(body)["messages"][0] == {
        "said": {"text": "问"},
        "replies": [HELLO],
        "gap_ms": 5,
        "verbatim": "_w==",
    }


def test_a_transcript_that_an_editor_has_marked_as_utf_8_can_be_read() -> None:
    transcript = Transcript(1, (Entry(UserMessage("问")),))
    assert Transcript.from_json(b"\xef\xbb\xbf" + transcript.to_json()) == transcript


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"version": 2, "messages": []}',
        b'{"version": 1, "messages": [{"said": {"text": "a"}, "gap_ms": -1}]}',
        b'{"version": 1, "messages": [{"said": {"text": "a"}, "sessions": []}]}',
        b'{"version": 1, "messages": [{"said": {}}]}',
    ],
)
def test_what_is_no_transcript_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError):
        Transcript.from_json(body)


def test_a_loaded_transcript_shows_what_was_shown_and_says_that_it_was_not_sent() -> None:
    transcript = Transcript(
        1,
        (
            Entry(UserMessage("问"), (HELLO,)),
            Entry(UserMessage("", sender="李四", single=True), (HELLO,), 500, pushed=True),
        ),
    )
    asked, pushed = records_of(transcript, now_ms=10_000)
    assert [reply.payload for record in (asked, pushed) for reply in record.shown] == [HELLO, HELLO]
    assert (asked.sent_at_ms, pushed.sent_at_ms) == (9_500, 10_000)
    assert (asked.undelivered, asked.settled, asked.loaded) == (LOADED, True, True)
    assert (pushed.undelivered, pushed.prompted) == (None, False)


def test_a_loaded_reply_that_dingtalk_would_refuse_is_shown_as_refused() -> None:
    odd: dict[str, Any] = {"msgtype": "text", "text": 5, "at": [1]}
    (record,) = records_of(Transcript(1, (Entry(UserMessage("问"), (odd,)),)), now_ms=1)
    assert record.shown == ()
    assert record.replies[0].payload == odd


def test_a_loaded_transcript_is_written_as_it_was(dingtalk: Simulation) -> None:
    dingtalk.send(UserMessage("问"))
    dingtalk.send_raw(json.dumps(callback_fields("天气 北京")).encode())
    dingtalk.send_raw(b"\xff", verbatim=True)
    dingtalk.bot_sends.to_group(HELLO)
    transcript = written(dingtalk)
    assert transcript_of(records_of(transcript, now_ms=10_000), CARDS.get) == transcript


def test_a_record_survives_its_way_through_json() -> None:
    (record,) = records_of(Transcript(1, (Entry(UserMessage("问"), (HELLO,)),)), now_ms=1)
    assert Record.from_json(record.to_json()) == record
