import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from dingda import simulator
from dingda.shared.dingtalk.message import Ignored, parse_message
from dingda.shared.dingtalk.signature import verify
from dingda.shared.errors import InvalidSignatureError
from dingda.simulator.dingtalk.callback import UserMessage
from dingda.simulator.dingtalk.faults import NO_FAULTS, CallbackFault, FaultSettings, ReplyFault
from dingda.simulator.dingtalk.simulation import SignedCallback, Simulation
from tests.support.simulator_harness import NOW_MS, SECRET, Bot

PAGE = Path(simulator.__file__).parent / "page" / "static"
HELLO: dict[str, Any] = {"msgtype": "text", "text": {"content": "你好"}}


def check(callback: SignedCallback) -> None:
    headers = callback.headers
    verify(headers["timestamp"].encode(), headers["sign"].encode(), secrets=[SECRET], now_ms=NOW_MS)


def post(dingtalk: Simulation, callback: SignedCallback) -> int:
    session = json.loads(callback.body)["sessionWebhook"].partition("session=")[2]
    body = json.dumps(HELLO).encode()
    return dingtalk.reply(session, content_type="application/json", body=body).errcode


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [(CallbackFault.WRONG_SIGNATURE, "signature"), (CallbackFault.CLOCK_OFF, "stale")],
)
def test_a_callback_that_is_not_rightly_signed(
    dingtalk: Simulation, trouble: CallbackFault, reason: str
) -> None:
    dingtalk.faults = FaultSettings(callbacks=trouble)
    with pytest.raises(InvalidSignatureError) as raised:
        check(dingtalk.send(UserMessage("你好")))
    assert raised.value.reason == reason


def test_a_clock_that_is_two_hours_slow_signs_rightly_for_its_time(dingtalk: Simulation) -> None:
    dingtalk.faults = FaultSettings(callbacks=CallbackFault.CLOCK_OFF)
    headers = dingtalk.send(UserMessage("你好")).headers
    then_ms = NOW_MS - 2 * 3_600_000
    assert headers["timestamp"] == str(then_ms)
    verify(
        headers["timestamp"].encode(), headers["sign"].encode(), secrets=[SECRET], now_ms=then_ms
    )


def test_without_quota_the_callback_has_no_text(dingtalk: Simulation) -> None:
    dingtalk.faults = FaultSettings(callbacks=CallbackFault.QUOTA)
    callback = dingtalk.send(UserMessage("你好"))
    fields = json.loads(callback.body)
    assert fields["errorCode"] == 20001
    assert fields.keys().isdisjoint({"text", "content"})
    assert parse_message(callback.body) == Ignored("over_quota")
    check(callback)


@pytest.mark.parametrize(
    ("trouble", "errcode"),
    [
        (ReplyFault.THROTTLE, 130101),
        (ReplyFault.BUSY, -1),
        (ReplyFault.REFUSE, 300001),
        (ReplyFault.CONTENT, 430104),
        (ReplyFault.PACKED, 0),
    ],
)
def test_a_reply_is_answered_with_the_days_errcode(
    dingtalk: Simulation, trouble: ReplyFault, errcode: int
) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    dingtalk.faults = FaultSettings(replies=trouble)
    assert post(dingtalk, callback) == errcode
    dingtalk.faults = NO_FAULTS
    assert post(dingtalk, callback) == 0


@pytest.mark.parametrize(
    ("trouble", "is_shown"),
    [
        (ReplyFault.FAIL, False),
        (ReplyFault.UNAVAILABLE, False),
        (ReplyFault.GATEWAY, True),
        (ReplyFault.HANG, True),
        (ReplyFault.CLOSE, True),
    ],
)
def test_a_reply_whose_sender_never_hears_the_errcode_is_recorded_as_such(
    dingtalk: Simulation, trouble: ReplyFault, *, is_shown: bool
) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    dingtalk.faults = FaultSettings(replies=trouble)
    post(dingtalk, callback)
    record = dingtalk.record(callback.msg_id)
    assert record is not None
    assert record.replies[0].trouble is trouble
    assert bool(record.shown) is is_shown


def test_a_session_that_is_closed_early_takes_no_more_replies(dingtalk: Simulation) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    assert post(dingtalk, callback) == 0
    dingtalk.expire(callback.msg_id)
    assert post(dingtalk, callback) == 300001


def test_what_is_sent_again_is_the_same_with_a_new_signature(dingtalk: Simulation) -> None:
    dingtalk.faults = FaultSettings(callbacks=CallbackFault.WRONG_SIGNATURE)
    first = dingtalk.send(UserMessage("你好"))
    dingtalk.faults = NO_FAULTS
    again = dingtalk.send_again(first.msg_id)
    assert again is not None
    assert again.body == first.body
    check(again)


def test_news_of_a_second_delivery_leaves_the_first_as_it_was(dingtalk: Simulation) -> None:
    msg_id = dingtalk.send(UserMessage("你好")).msg_id
    dingtalk.acknowledged(msg_id, status=401, body="")
    dingtalk.acknowledged(msg_id, status=200, body="{}")
    dingtalk.undelivered(msg_id, "Nothing answers.")
    record = dingtalk.record(msg_id)
    assert record is not None
    assert record.ack is not None
    assert (record.ack.status, record.undelivered) == (401, None)
    assert [ack.status for ack in record.redeliveries] == [200]
    assert record.acknowledged
    assert not record.settled


@pytest.mark.parametrize("faults", [NO_FAULTS, FaultSettings(CallbackFault.QUOTA, ReplyFault.HANG)])
def test_a_day_survives_its_json(faults: FaultSettings) -> None:
    assert FaultSettings.from_json(faults.to_json()) == faults


@pytest.mark.parametrize(
    ("trouble", "status", "text", "retry_after"),
    [
        ("fail", 500, "Internal Server Error", None),
        ("unavailable", 503, "Service Unavailable", "5"),
        ("gateway", 502, "Bad Gateway", None),
    ],
)
async def test_an_http_error_has_no_errcode(
    http: httpx.AsyncClient, bot: Bot, trouble: str, status: int, text: str, retry_after: str | None
) -> None:
    await http.post("/api/messages", json={"text": "你好"})
    await http.put("/api/bad-day", json={"replies": trouble})
    response = await http.post(bot.callbacks[0]["sessionWebhook"], json=HELLO)
    assert (response.status_code, response.text) == (status, text)
    assert response.headers.get("retry-after") == retry_after


async def test_a_packed_answer_is_gzip_whatever_was_asked_for(
    http: httpx.AsyncClient, bot: Bot
) -> None:
    await http.post("/api/messages", json={"text": "你好"})
    await http.put("/api/bad-day", json={"replies": "packed"})
    headers = {"accept-encoding": "identity"}
    response = await http.post(bot.callbacks[0]["sessionWebhook"], json=HELLO, headers=headers)
    assert response.headers["content-encoding"] == "gzip"
    assert response.json() == {"errcode": 0, "errmsg": "ok"}


def test_the_page_has_every_trouble_in_both_languages() -> None:
    texts = (PAGE / "texts.js").read_text("utf-8")
    switches = (PAGE / "bad_day.js").read_text("utf-8")
    for trouble in (*ReplyFault, *CallbackFault):
        assert f'"{trouble}"' in switches
        assert texts.count(f"    {trouble}: ") >= 2
