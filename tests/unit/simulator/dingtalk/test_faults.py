import json
import re
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from dingda import simulator
from dingda.shared.dingtalk.message import Ignored, parse_message
from dingda.shared.dingtalk.signature import verify
from dingda.shared.errors import InvalidSignatureError
from dingda.simulator.dingtalk.faults import NO_FAULTS, CallbackFault, FaultSettings, ReplyFault
from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.stream_faults import OpenFault
from dingda.simulator.dingtalk.stream_state import ConnectionKind
from dingda.simulator.dingtalk.user_message import UserMessage
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
    ("fault", "reason"),
    [(CallbackFault.WRONG_SIGNATURE, "signature"), (CallbackFault.CLOCK_OFF, "stale")],
)
def test_a_callback_with_a_fault_is_not_rightly_signed(
    dingtalk: Simulation, fault: CallbackFault, reason: str
) -> None:
    dingtalk.faults = FaultSettings(callbacks=fault)
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
    ("fault", "errcode"),
    [
        (ReplyFault.THROTTLE, 130101),
        (ReplyFault.BUSY, -1),
        (ReplyFault.REFUSE, 300001),
        (ReplyFault.CONTENT, 430104),
        (ReplyFault.PACKED, 0),
    ],
)
def test_a_reply_gets_the_errcode_of_the_fault(
    dingtalk: Simulation, fault: ReplyFault, errcode: int
) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    dingtalk.faults = FaultSettings(replies=fault)
    assert post(dingtalk, callback) == errcode
    dingtalk.faults = NO_FAULTS
    assert post(dingtalk, callback) == 0


@pytest.mark.parametrize(
    ("fault", "is_shown"),
    [
        (ReplyFault.FAIL, False),
        (ReplyFault.UNAVAILABLE, False),
        (ReplyFault.GATEWAY, True),
        (ReplyFault.HANG, True),
        (ReplyFault.CLOSE, True),
    ],
)
def test_a_fault_whose_response_has_no_errcode_is_recorded(
    dingtalk: Simulation, fault: ReplyFault, *, is_shown: bool
) -> None:
    callback = dingtalk.send(UserMessage("你好"))
    dingtalk.faults = FaultSettings(replies=fault)
    post(dingtalk, callback)
    record = dingtalk.record(callback.msg_id)
    assert record is not None
    assert record.replies[0].trouble is fault
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


def test_a_second_delivery_leaves_the_first_as_it_was(dingtalk: Simulation) -> None:
    msg_id = dingtalk.send(UserMessage("你好")).msg_id
    dingtalk.note_ack(msg_id, status=401, body="")
    dingtalk.note_ack(msg_id, status=200, body="{}")
    dingtalk.note_undelivered(msg_id, "Nothing answers.")
    record = dingtalk.record(msg_id)
    assert record is not None
    assert record.ack is not None
    assert (record.ack.status, record.undelivered) == (401, None)
    assert [ack.status for ack in record.redeliveries] == [200]
    assert record.acknowledged
    assert not record.settled


@pytest.mark.parametrize("faults", [NO_FAULTS, FaultSettings(CallbackFault.QUOTA, ReplyFault.HANG)])
def test_fault_settings_survive_their_json(faults: FaultSettings) -> None:
    assert FaultSettings.from_json(faults.to_json()) == faults


@pytest.mark.parametrize(
    ("fault", "status", "text", "retry_after"),
    [
        ("fail", 500, "Internal Server Error", None),
        ("unavailable", 503, "Service Unavailable", "5"),
        ("gateway", 502, "Bad Gateway", None),
    ],
)
async def test_an_http_error_has_no_errcode(
    http: httpx.AsyncClient, bot: Bot, fault: str, status: int, text: str, retry_after: str | None
) -> None:
    await http.post("/api/messages", json={"text": "你好"})
    await http.put("/api/bad-day", json={"replies": fault})
    response = await http.post(bot.callbacks[0]["sessionWebhook"], json=HELLO)
    assert (response.status_code, response.text) == (status, text)
    assert response.headers.get("retry-after") == retry_after


async def test_a_packed_response_is_gzip_whatever_was_asked_for(
    http: httpx.AsyncClient, bot: Bot
) -> None:
    await http.post("/api/messages", json={"text": "你好"})
    await http.put("/api/bad-day", json={"replies": "packed"})
    headers = {"accept-encoding": "identity"}
    response = await http.post(bot.callbacks[0]["sessionWebhook"], json=HELLO, headers=headers)
    assert response.headers["content-encoding"] == "gzip"
    assert response.json() == {"errcode": 0, "errmsg": "ok"}


def test_the_page_has_every_fault_in_both_languages() -> None:
    texts = "".join((PAGE / f"texts.{it}.js").read_text("utf-8") for it in ("zh", "en"))
    switches = (PAGE / "bad_day.js").read_text("utf-8")
    for fault in (*ReplyFault, *CallbackFault):
        assert f'"{fault}"' in switches
        assert texts.count(f"    {fault}: ") >= 2


def test_the_page_has_every_fault_of_stream_mode_in_both_languages() -> None:
    texts = "".join((PAGE / f"texts.{it}.js").read_text("utf-8") for it in ("zh", "en"))
    switches = (PAGE / "stream.js").read_text("utf-8")
    for refusal in OpenFault:
        assert f'"{refusal}"' in switches
    for fault in ("zombie", "lost_acks", "ignores_closes", "stale"):
        assert f"  {fault}: [" in switches
    for name in (*OpenFault, "zombie", "lost_acks", "ignores_closes", "stale"):
        assert texts.count(f"    {name}: {{\n      what: ") == 2
    for state in get_args(ConnectionKind):
        assert len(re.findall(rf"connectionStates: {{[^}}]*\b{state}: \"", texts)) == 2
