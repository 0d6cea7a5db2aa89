import json
from dataclasses import replace
from typing import Any

import pytest

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.dingtalk.signature import verify
from dingda.shared.ledger.timeline import MessageTimeline
from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.simulator.dingtalk.record import Record, Reply
from dingda.simulator.dingtalk.record_store import MAX_RECORDS
from dingda.simulator.dingtalk.rules import ReplyVerdict
from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage
from tests.support.simulator_harness import NOW_MS, ROBOTS, SECRET, SIMULATOR_URL, Clock

HELLO: dict[str, Any] = {"msgtype": "text", "text": {"content": "你好"}}

LEASED = MessageTimeline("leased", "", 1, 2, None, None, 1, None, "w")


def fields_of(callback: SignedCallback) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(callback.body)
    return fields


def ledger_id_of(callback: SignedCallback) -> str:
    message = parse_message(callback.body)
    assert isinstance(message, Message)
    return message.id


def post(
    dingtalk: Simulation,
    callback: SignedCallback,
    payload: object = HELLO,
    *,
    content_type: str = "application/json",
) -> ReplyVerdict:
    session = fields_of(callback)["sessionWebhook"].partition("session=")[2]
    return dingtalk.reply(session, content_type=content_type, body=json.dumps(payload).encode())


def record_of(dingtalk: Simulation, callback: SignedCallback) -> Record:
    record = dingtalk.record(callback.msg_id)
    assert record is not None
    return record


def test_a_callback_is_signed_as_dingtalk_signs(dingtalk: Simulation) -> None:
    headers = dingtalk.send(UserMessage("你好")).headers
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    verify(headers["timestamp"].encode(), headers["sign"].encode(), secrets=[SECRET], now_ms=NOW_MS)


def test_every_message_has_a_session_of_its_own(dingtalk: Simulation) -> None:
    webhooks = {fields_of(dingtalk.send(UserMessage("你好")))["sessionWebhook"] for _ in range(2)}
    assert len(webhooks) == 2
    for webhook in webhooks:
        base, _, session = webhook.partition("?session=")
        assert base == f"{SIMULATOR_URL}/robot/sendBySession"
        assert len(session) == 32
        int(session, 16)


def test_a_callback_states_a_session_end_a_little_over_ninety_minutes_after_the_message(
    dingtalk: Simulation,
) -> None:
    fields = fields_of(dingtalk.send(UserMessage("你好")))
    assert fields["createAt"] == NOW_MS
    assert 5_400_000 < fields["sessionWebhookExpiredTime"] - NOW_MS < 5_401_000


def test_a_sessions_life_can_be_shorter(clock: Clock) -> None:
    dingtalk = Simulation(
        robots=ROBOTS, public_url=SIMULATOR_URL, now_ms=clock, session_life_ms=2000
    )
    fields = fields_of(dingtalk.send(UserMessage("你好")))
    assert 2000 < fields["sessionWebhookExpiredTime"] - NOW_MS < 3000


def test_a_record_begins_with_the_callback_as_it_was_sent(dingtalk: Simulation) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    record = record_of(dingtalk, callback)
    assert record == Record(
        msg_id=callback.msg_id,
        sent_at_ms=NOW_MS,
        said=UserMessage("你好"),
        headers=callback.headers,
        callback=fields_of(callback),
        session_expires_ms=fields_of(callback)["sessionWebhookExpiredTime"],
        ledger_id=ledger_id_of(callback),
    )


def test_a_good_reply_is_ok_and_recorded_with_its_time(dingtalk: Simulation, clock: Clock) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    clock.now_ms += 41
    assert post(dingtalk, callback) == ReplyVerdict(0, "ok")
    assert record_of(dingtalk, callback).replies == (Reply(HELLO, 0, "ok", (), 41),)


def test_a_session_takes_several_replies(dingtalk: Simulation) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    assert [post(dingtalk, callback).errcode for _ in range(3)] == [0, 0, 0]
    assert len(record_of(dingtalk, callback).shown) == 3


def test_the_users_that_a_reply_notifies_are_recorded(dingtalk: Simulation) -> None:
    callback = dingtalk.send(UserMessage("你好", sender="李四"))
    sender = staff_id_of("李四")
    content = {"content": f"@{sender} 你好"}
    post(dingtalk, callback, {**HELLO, "text": content, "at": {"atUserIds": [sender, "user2"]}})
    assert record_of(dingtalk, callback).replies[0].notified == (sender,)


def test_a_refused_reply_notifies_nobody_and_is_not_shown(dingtalk: Simulation) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    assert post(dingtalk, callback, {"msgtype": "text"}).errcode == 40035
    record = record_of(dingtalk, callback)
    assert record.replies == (Reply({"msgtype": "text"}, 40035, "缺少参数 text", (), 0),)
    assert record.shown == ()


def test_an_unknown_session_is_300001(dingtalk: Simulation) -> None:
    verdict = dingtalk.reply("f" * 32, content_type="application/json", body=b"{}")
    assert verdict == ReplyVerdict(300001, "session 不存在")


def test_a_session_takes_replies_until_its_end(dingtalk: Simulation, clock: Clock) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    clock.now_ms = fields_of(callback)["sessionWebhookExpiredTime"] - 1
    assert post(dingtalk, callback).errcode == 0


def test_an_expired_session_is_300001_and_the_attempt_is_recorded(
    dingtalk: Simulation, clock: Clock
) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    clock.now_ms = fields_of(callback)["sessionWebhookExpiredTime"]
    assert post(dingtalk, callback).errcode == 300001
    assert record_of(dingtalk, callback).replies[0].errcode == 300001


def test_the_content_type_is_looked_at_first(dingtalk: Simulation) -> None:
    verdict = dingtalk.reply("unknown", content_type="text/plain", body=b"")
    assert verdict.errcode == 43004


def test_a_body_that_is_too_long_is_460101(dingtalk: Simulation) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    long_text = {"msgtype": "text", "text": {"content": "x" * 20_000}}
    assert post(dingtalk, callback, long_text).errcode == 460101


def test_the_twenty_first_reply_in_a_minute_to_one_conversation_is_130101(
    dingtalk: Simulation,
) -> None:
    verdicts = [post(dingtalk, dingtalk.send(UserMessage("你好"))) for _ in range(21)]
    assert {verdict.errcode for verdict in verdicts[:20]} == {0}
    assert verdicts[20] == ReplyVerdict(130101, "send too fast, exceed 20 times per minute")


def test_another_conversation_is_not_throttled_with_it(dingtalk: Simulation) -> None:
    for _ in range(21):
        post(dingtalk, dingtalk.send(UserMessage("你好")))
    assert post(dingtalk, dingtalk.send(UserMessage("你好", single=True))).errcode == 0


def test_a_malformed_reply_does_not_count_towards_the_limit(dingtalk: Simulation) -> None:
    for _ in range(30):
        post(dingtalk, dingtalk.send(UserMessage("你好")), {"msgtype": "text"})
    assert post(dingtalk, dingtalk.send(UserMessage("你好"))).errcode == 0


def test_the_limit_can_be_switched_off(clock: Clock) -> None:
    dingtalk = Simulation(
        robots=ROBOTS, public_url=SIMULATOR_URL, now_ms=clock, replies_per_minute=None
    )
    callback = dingtalk.send(UserMessage("你好"))
    assert {post(dingtalk, callback).errcode for _ in range(100)} == {0}


def test_an_acknowledgement_is_recorded_with_its_time(dingtalk: Simulation, clock: Clock) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    clock.now_ms += 3
    dingtalk.note_ack(callback.msg_id, status=200, body='{"msgtype":"empty"}')
    record = record_of(dingtalk, callback)
    assert record.ack is not None
    assert (record.ack.status, record.ack.after_ms) == (200, 3)
    assert record.acknowledged
    assert record.in_callback_reply is None
    assert not record.settled


@pytest.mark.parametrize("body", ["", '{"success":true}', "null", "<html>", '{"msgtype":"empty"}'])
def test_an_acknowledgement_without_a_message_shows_nothing(
    dingtalk: Simulation, body: str
) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    dingtalk.note_ack(callback.msg_id, status=200, body=body)
    assert record_of(dingtalk, callback).in_callback_reply is None


def test_an_acknowledgement_that_is_a_message_is_shown_as_the_reply(dingtalk: Simulation) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    dingtalk.note_ack(callback.msg_id, status=200, body=json.dumps(HELLO))
    record = record_of(dingtalk, callback)
    assert record.in_callback_reply == Reply(HELLO, 0, "ok", (), 0)
    assert record.shown == (record.in_callback_reply,)
    assert record.settled


def test_an_acknowledgement_that_is_a_broken_message_is_recorded_as_refused(
    dingtalk: Simulation,
) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    dingtalk.note_ack(callback.msg_id, status=200, body='{"msgtype":"image"}')
    record = record_of(dingtalk, callback)
    assert record.in_callback_reply is not None
    assert record.in_callback_reply.errcode == 400105
    assert not record.settled


def test_an_error_response_to_a_callback_shows_nothing_whatever_its_body(
    dingtalk: Simulation,
) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    dingtalk.note_ack(callback.msg_id, status=500, body=json.dumps(HELLO))
    record = record_of(dingtalk, callback)
    assert not record.acknowledged
    assert record.in_callback_reply is None
    assert record.settled


def test_a_message_that_never_got_through_is_settled(dingtalk: Simulation, clock: Clock) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    clock.now_ms += 2500
    dingtalk.note_undelivered(callback.msg_id, "Nothing answers.")
    record = record_of(dingtalk, callback)
    assert (record.undelivered, record.undelivered_after_ms) == ("Nothing answers.", 2500)
    assert record.settled


def test_only_the_newest_messages_are_remembered(dingtalk: Simulation) -> None:
    first, second, *_ = [dingtalk.send(UserMessage("你好")) for _ in range(MAX_RECORDS + 1)]
    assert dingtalk.record(first.msg_id) is None
    assert dingtalk.record(second.msg_id) is not None


def test_the_session_of_a_forgotten_message_is_closed(dingtalk: Simulation) -> None:
    first, second, *_ = [dingtalk.send(UserMessage("你好")) for _ in range(MAX_RECORDS + 1)]
    assert post(dingtalk, first).errcode == 300001
    assert post(dingtalk, second).errcode == 0


def test_a_message_that_is_still_being_answered_is_remembered_until_it_is(
    dingtalk: Simulation,
) -> None:
    slow, first = (dingtalk.send(UserMessage("你好")) for _ in range(2))
    lease(dingtalk, slow)
    for _ in range(2 * MAX_RECORDS):
        dingtalk.send(UserMessage("你好"))
    assert dingtalk.record(first.msg_id) is None
    assert post(dingtalk, slow).errcode == 0
    dingtalk.note_timeline(slow.msg_id, replace(LEASED, state="answered", ended_ms=3))
    dingtalk.send(UserMessage("你好"))
    assert dingtalk.record(slow.msg_id) is None


def test_of_messages_that_are_all_being_answered_the_oldest_is_forgotten(
    dingtalk: Simulation,
) -> None:
    first, second, *_ = [
        lease(dingtalk, dingtalk.send(UserMessage("你好"))) for _ in range(MAX_RECORDS)
    ]
    newest = dingtalk.send(UserMessage("你好"))
    assert dingtalk.record(first.msg_id) is None
    assert None not in (dingtalk.record(second.msg_id), dingtalk.record(newest.msg_id))


def lease(dingtalk: Simulation, callback: SignedCallback) -> SignedCallback:
    """Let a worker answer a message."""
    dingtalk.note_ack(callback.msg_id, status=200, body="")
    dingtalk.note_timeline(callback.msg_id, LEASED)
    return callback


def test_notes_on_a_forgotten_message_are_dropped(dingtalk: Simulation) -> None:
    dingtalk.note_ack("msgunknown==", status=200, body="")
    dingtalk.note_undelivered("msgunknown==", "Nothing answers.")
    assert dingtalk.record("msgunknown==") is None


def test_a_record_survives_its_json(dingtalk: Simulation) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    dingtalk.note_ack(callback.msg_id, status=200, body=json.dumps(HELLO))
    post(dingtalk, callback)
    post(dingtalk, callback, "no object")
    record = record_of(dingtalk, callback)
    assert Record.from_json(record.to_json()) == record
