import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from starlette.responses import JSONResponse

from dingda.shared.ledger.timeline import MessageTimeline
from dingda.simulator.client import following
from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.client.drawing import draw_end, draw_news, draw_progress
from dingda.simulator.client.terminal import chat, say
from dingda.simulator.dingtalk.card import Button, Card, CardState, CardView
from dingda.simulator.dingtalk.card_templates import ACTION_TEMPLATE
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.exchange import Exchange, Pushed, Workers
from dingda.simulator.dingtalk.record import Ack, Record, Reply
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage
from tests.support.simulator_harness import Bot, FakeWorkers

pytestmark = pytest.mark.heavy

OpenClient = Callable[[], SimulatorClient]

HELLO: dict[str, Any] = {"msgtype": "text", "text": {"content": "@user1 你好"}}
REPLY = Reply(HELLO, 0, "ok", ("user1",), 41)
ACKNOWLEDGED = Record(
    msg_id="msgAAAA==",
    sent_at_ms=1_700_000_000_000,
    said=UserMessage("你好"),
    headers={},
    callback={"senderNick": "张三", "senderStaffId": "user1"},
    session_expires_ms=1_700_005_400_188,
    ack=Ack(200, '{"msgtype":"empty"}', 3),
)


PUSH = replace(ACKNOWLEDGED, sent_at_ms=1_700_000_000_060, callback={}, ack=None, prompted=False)
CARD = Card(
    "card1",
    ACTION_TEMPLATE,
    created_at_ms=0,
    changed_at_ms=0,
    state=CardState.PLAIN,
    data={},
    private={},
    local={},
    views={
        "": CardView(),
        "user1": CardView(
            "请假",
            "周五",
            buttons=(
                Button("同意", "approve"),
                Button("查看", url="https://a.example/"),
                Button("拒绝", "reject", enabled=False),
            ),
        ),
    },
)


UNKNOWN, NOBODY = Workers(known=False), Workers(known=True)
STARTING = Workers(known=True, supervised=True)


def render_record(
    record: Record,
    pushes: Sequence[Pushed] = (),
    workers: Workers = UNKNOWN,
    *,
    wait_s: float | None,
) -> str:
    """All that `say` has printed in the end."""
    exchange = Exchange(0, record, tuple(pushes))
    drawn = [text for _, text in draw_news(exchange, complete=True)]
    return "\n".join(filter(None, [*drawn, draw_end(exchange, workers, wait_s=wait_s)]))


def test_an_answered_message_shows_the_acknowledgement_the_reply_and_their_times() -> None:
    assert render_record(replace(ACKNOWLEDGED, replies=(REPLY,)), wait_s=5) == (
        'ack      200 after 3 ms: {"msgtype":"empty"}\n'
        "reply    after 41 ms: text\n"
        "         @张三 你好"
    )


def test_a_message_without_a_reply_says_so_plainly() -> None:
    assert render_record(ACKNOWLEDGED, wait_s=5).endswith("\nno reply within 5 s")


def test_a_message_that_the_bot_still_has_is_not_said_to_be_over() -> None:
    story = MessageTimeline("accepted", "", 1, 2, 3, None, 1, None, "")
    assert render_record(replace(ACKNOWLEDGED, stories=(story,)), wait_s=5).endswith(
        "\nno reply within 5 s: the message is still open"
    )


def test_a_message_whose_session_is_over_gets_no_reply_any_more() -> None:
    story = MessageTimeline("leased", "", 1, 2, None, None, 1, None, "")
    record = replace(ACKNOWLEDGED, stories=(story,))
    life_s = (record.session_expires_ms - record.sent_at_ms) / 1000
    assert render_record(record, wait_s=None).endswith(
        f"\nno reply within {life_s:g} s: its session is closed"
    )


def test_an_end_that_the_ledger_knows_is_shown_with_its_reason() -> None:
    story = MessageTimeline("dead", "failed: errcode 300001", 1, 2, 3, 4, 1, None, "")
    assert render_record(replace(ACKNOWLEDGED, stories=(story,)), wait_s=5).endswith(
        "\nno reply: the message is dead (failed: errcode 300001)"
    )


def test_a_message_that_no_skill_wants_is_said_to_be_one() -> None:
    story = MessageTimeline("unmatched", "", 1, 2, None, 4, 1, None, "")
    assert render_record(replace(ACKNOWLEDGED, stories=(story,)), wait_s=5).endswith(
        "\nno reply: the message is unmatched (no skill wants it)"
    )


def test_a_message_that_nobody_is_there_to_answer_is_queued() -> None:
    story = MessageTimeline("accepted", "", 1, None, None, None, 0, None, "")
    record = replace(ACKNOWLEDGED, stories=(story,))
    assert render_record(record, workers=NOBODY, wait_s=5).splitlines()[-1] == (
        "queued   no worker is alive: `dingda worker` starts one, which then answers"
    )


def test_a_message_is_not_given_up_while_the_demo_starts_its_workers_again() -> None:
    story = MessageTimeline("accepted", "", 1, None, None, None, 0, None, "")
    record = replace(ACKNOWLEDGED, stories=(story,))
    assert not STARTING.are_gone
    assert render_record(record, workers=STARTING, wait_s=5).splitlines()[-1] == (
        "no reply within 5 s: the message is still open"
    )


def test_a_notice_is_not_taken_for_the_answer() -> None:
    story = MessageTimeline("leased", "", 1, 2, None, None, 1, None, "")
    record = replace(ACKNOWLEDGED, replies=(REPLY,), stories=(story,))
    assert render_record(record, wait_s=5).endswith(
        "\nno more within 5 s: the message is still open"
    )


def test_an_answer_that_went_to_the_sender_alone_is_an_answer() -> None:
    story = MessageTimeline("answered", "", 1, 2, 3, 4, 1, None, "")
    record = replace(ACKNOWLEDGED, stories=(story,))
    private = replace(PUSH, said=UserMessage("", sender="张三", single=True), replies=(REPLY,))
    assert render_record(record, [Pushed(private)], wait_s=5).splitlines()[1:] == [
        "private  after 60 ms, to 张三: text",
        "         @张三 你好",
    ]


def test_a_card_that_still_grows_is_drawn_once_it_has_grown() -> None:
    growing = Exchange(0, ACKNOWLEDGED, (Pushed(PUSH, replace(CARD, state=CardState.TYPING)),))
    grown = Exchange(0, ACKNOWLEDGED, (Pushed(PUSH, replace(CARD, state=CardState.FINISHED)),))
    assert [key for key, _ in draw_news(growing)] == ["ack"]
    assert [key for key, _ in draw_news(grown)] == ["ack", PUSH.msg_id]
    assert len(draw_news(growing, complete=True)) == 2


@pytest.mark.parametrize(
    ("state", "retry_at_ms", "workers", "doing"),
    [
        ("accepted", None, UNKNOWN, "queued"),
        ("accepted", None, NOBODY, "queued, no worker is alive"),
        ("accepted", None, STARTING, "the workers are starting again"),
        ("accepted", 60_000, UNKNOWN, "the bot will try again"),
        ("leased", None, UNKNOWN, "a worker is working on it"),
    ],
)
def test_while_a_reply_is_waited_for_a_line_says_what_the_bot_does(
    state: str, retry_at_ms: int | None, workers: Workers, doing: str
) -> None:
    story = MessageTimeline(state, "", 1, 2, None, None, 1, retry_at_ms, "")
    record = replace(ACKNOWLEDGED, stories=(story,))
    assert draw_progress(record, workers, 3.2) == f"waiting  3 s: {doing}"


def test_a_refused_reply_shows_why() -> None:
    refused = Reply({"msgtype": "text"}, 40035, "缺少参数 text", (), 12)
    assert render_record(replace(ACKNOWLEDGED, replies=(refused,)), wait_s=0.5).endswith(
        "\nrefused  after 12 ms: errcode 40035, 缺少参数 text\n"
        "no reply within 0.5 s: DingTalk took none"
    )


def test_a_refused_reply_that_is_tried_again_says_so() -> None:
    throttled = Reply({"msgtype": "text"}, 130101, "send too fast", (), 12)
    story = MessageTimeline("accepted", "", 1, 2, 3, None, 1, 60_003, "")
    record = replace(ACKNOWLEDGED, replies=(throttled,), stories=(story,))
    assert render_record(record, wait_s=5).endswith(
        "no reply within 5 s: DingTalk took none, and the bot will try again"
    )


def test_a_reply_within_the_acknowledgement_is_a_reply() -> None:
    rendered = render_record(replace(ACKNOWLEDGED, in_callback_reply=REPLY), wait_s=5)
    assert rendered.endswith("\nreply    after 41 ms: text\n         @张三 你好")


def test_a_card_in_the_conversation_is_an_answer() -> None:
    rendered = render_record(ACKNOWLEDGED, [Pushed(PUSH, CARD)], wait_s=5)
    assert rendered.splitlines()[1:] == [
        "card     after 60 ms, to the group:",
        "         请假",
        "",
        "         周五",
        "",
        "         [同意] is pressed in the browser",
        "         [查看] https://a.example/",
        "         [拒绝] (off)",
    ]


def test_a_push_to_somebody_else_is_shown_and_answers_nothing() -> None:
    push = replace(PUSH, said=UserMessage("", sender="王五", single=True), replies=(REPLY,))
    assert render_record(ACKNOWLEDGED, [Pushed(push)], wait_s=5).splitlines()[1:] == [
        "push     after 60 ms, to 王五: text",
        "         @张三 你好",
        "no reply within 5 s",
    ]


def test_an_emotion_is_shown() -> None:
    rendered = render_record(replace(ACKNOWLEDGED, reactions=("🤔思考中",)), wait_s=5)
    assert rendered.splitlines()[1] == "emotion  🤔思考中"


def test_a_failed_acknowledgement_shows_its_status_and_its_body() -> None:
    failed = replace(ACKNOWLEDGED, ack=Ack(401, '{"error":"stale"}\x1b[2J', 2))
    assert render_record(failed, wait_s=5) == (
        'ack      401 after 2 ms: {"error":"stale"}\ufffd[2J (the bot did not take the message)'
    )


async def test_saying_something_prints_the_reply_and_succeeds(
    open_client: OpenClient, bot: Bot, capsys: pytest.CaptureFixture[str]
) -> None:
    bot.replies = [HELLO]
    async with open_client() as client:
        assert await say(client, UserMessage("你好"), wait_s=5, as_json=False) == 0
    assert capsys.readouterr().out.splitlines() == [
        'ack      200 after 0 ms: {"msgtype":"empty"}',
        "reply    after 40 ms: text",
        "         @user1 你好",
    ]


async def test_saying_something_prints_what_the_bot_sends_first_as_well(
    open_client: OpenClient, dingtalk: Simulation, bot: Bot, capsys: pytest.CaptureFixture[str]
) -> None:
    dingtalk.bot_sends.to_person("张三", {"msgtype": "text", "text": {"content": "早先"}})
    bot.clock.now_ms += 1
    # In the same millisecond as the message.
    dingtalk.bot_sends.to_group({"msgtype": "image", "image": {"photoURL": "@lAL-1"}})
    bot.replies = [HELLO]
    async with open_client() as client:
        assert await say(client, UserMessage("你好"), wait_s=5, as_json=False) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "push     after 0 ms, to the group: image",
        "         picture: @lAL-1",
        "reply    after 40 ms: text",
        "         @user1 你好",
    ]


async def test_a_message_is_followed_until_it_has_ended_however_long_that_takes(
    open_client: OpenClient,
    dingtalk: Simulation,
    bot: Bot,
    changes: ChangeNotifier,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(following, "WITHOUT_LEDGER_S", 0)  # no patience is left for what is open
    bot.replies = [HELLO]
    leased = MessageTimeline("leased", "", 1, 2, None, None, 1, None, "")
    answered = replace(leased, state="answered", ended_ms=3)

    async def work() -> None:
        await changes.wait_until(lambda: bool(bot.callbacks), wait_s=5)
        msg_id = bot.callbacks[0]["msgId"]
        dingtalk.note_timeline(msg_id, leased)
        await changes.announce()
        printed = ""
        while "reply    after" not in printed:  # it is shown before the message ends
            await asyncio.sleep(0.01)
            printed += capsys.readouterr().out
        dingtalk.note_timeline(msg_id, answered)
        await changes.announce()

    async with asyncio.timeout(20), open_client() as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(work())
        assert await say(client, UserMessage("你好"), wait_s=None, as_json=False) == 0
    assert "no more" not in capsys.readouterr().out


async def test_a_message_that_no_worker_is_there_for_is_a_failure_and_not_waited_on(
    open_client: OpenClient,
    dingtalk: Simulation,
    bot: Bot,
    changes: ChangeNotifier,
    workers: FakeWorkers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(following, "GONE_FOR_S", 0)
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.05)
    queued = MessageTimeline("accepted", "", 1, None, None, None, 0, None, "")

    async def note() -> None:
        await changes.wait_until(lambda: bool(bot.callbacks), wait_s=5)
        dingtalk.note_timeline(bot.callbacks[0]["msgId"], queued)

    async with open_client() as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(note())
        assert await say(client, UserMessage("你好"), wait_s=None, as_json=False) == 1
    assert workers.alive == []
    assert "queued   no worker is alive" in capsys.readouterr().out


async def test_silence_is_a_success(
    open_client: OpenClient, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_client() as client:
        assert await say(client, UserMessage("你好"), wait_s=0.05, as_json=False) == 0
    assert capsys.readouterr().out.endswith("\nno reply within 0.05 s\n")


async def test_a_failed_acknowledgement_is_a_failure_and_is_not_waited_on(
    open_client: OpenClient, bot: Bot, capsys: pytest.CaptureFixture[str]
) -> None:
    bot.response = JSONResponse({"error": "signature"}, 401)
    async with open_client() as client:
        assert await say(client, UserMessage("你好"), wait_s=60, as_json=False) == 1
    assert 'ack      401 after 0 ms: {"error":"signature"}' in capsys.readouterr().out


async def test_nothing_but_refused_replies_is_a_failure(
    open_client: OpenClient, bot: Bot, capsys: pytest.CaptureFixture[str]
) -> None:
    bot.replies = [{"msgtype": "image"}]
    async with open_client() as client:
        assert await say(client, UserMessage("你好"), wait_s=0.1, as_json=False) == 1
    assert "errcode 400105" in capsys.readouterr().out


def test_what_one_types_to_leave_ends_a_chat_and_is_not_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["/quit"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: next(typed))
    assert chat(lambda: pytest.fail("it was said"), UserMessage(""), wait_s=0) == 0
    assert capsys.readouterr().out == (
        "Type what to say to the bot. An empty line or /quit ends it.\n"
    )


async def test_the_record_can_be_printed_as_one_json_object(
    open_client: OpenClient, bot: Bot, capsys: pytest.CaptureFixture[str]
) -> None:
    bot.replies = [HELLO]
    async with open_client() as client:
        assert await say(client, UserMessage("你好"), wait_s=5, as_json=True) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["replies"][0]["payload"] == HELLO
