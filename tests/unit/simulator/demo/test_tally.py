"""The demo's numbers are what the simulated DingTalk saw, message by message."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from dingda.shared.ledger.timeline import MessageTimeline
from dingda.shared.texts import BUSY, LATE, LOOKING_UP
from dingda.simulator.demo.tally import Numbers, Tally
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.record_store import MAX_RECORDS
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.worker.language.text import to_traditional

ACCEPTED = MessageTimeline("accepted", "", 1, None, None, None, 0, None, "")
LEASED = replace(ACCEPTED, state="leased", leased_ms=2, lease_count=1, worker="w")
EMPTY = '{"msgtype":"empty"}'


def text(words: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": words}}


def markdown(title: str, words: str) -> dict[str, Any]:
    return {"msgtype": "markdown", "markdown": {"title": title, "text": words}}


LONG = "长" * 6000
"""Of which two do not fit into one reply."""


class Demo:
    """A simulated DingTalk, and the numbers."""

    def __init__(self, dingtalk: Simulation) -> None:
        self.dingtalk = dingtalk
        self.unknown = set[str]()
        self.tally = Tally(dingtalk.records, self.unknown)

    def say(self, words: str = "你好", *, ack: str = EMPTY, **fields: Any) -> str:
        callback = self.dingtalk.send(UserMessage(words, **fields))
        self.dingtalk.note_ack(callback.msg_id, status=200, body=ack)
        return callback.msg_id

    def reply(self, msg_id: str, *words: str) -> None:
        self.show(msg_id, *map(text, words))

    def show(self, msg_id: str, *payloads: dict[str, Any]) -> None:
        record = self.dingtalk.record(msg_id)
        assert record
        session = record.callback["sessionWebhook"].partition("session=")[2]
        for each in payloads:
            body = json.dumps(each, ensure_ascii=False).encode()
            self.dingtalk.reply(session, content_type="application/json", body=body)

    def end(self, msg_id: str, state: str, reason: str = "") -> None:
        timeline = replace(LEASED, state=state, reason=reason, ended_ms=9)
        self.dingtalk.note_timeline(msg_id, timeline)

    @property
    def numbers(self) -> Numbers:
        return self.tally.count()


@pytest.fixture
def demo(dingtalk: Simulation) -> Demo:
    return Demo(dingtalk)


def test_an_answer_that_shows_is_counted_once_its_message_has_ended(demo: Demo) -> None:
    msg_id = demo.say()
    assert demo.numbers == Numbers(accepted=1, open=1)
    demo.dingtalk.note_timeline(msg_id, LEASED)
    demo.reply(msg_id, "咖啡好了")
    assert demo.numbers == Numbers(accepted=1, open=1)
    demo.end(msg_id, "answered")
    assert demo.numbers == Numbers(accepted=1, answered=1)


def test_a_message_that_the_bot_calls_answered_while_nothing_shows_is_lost(demo: Demo) -> None:
    demo.end(demo.say(), "answered")
    assert demo.numbers == Numbers(accepted=1, lost=1)


def test_a_reply_that_dingtalk_refused_does_not_show(demo: Demo) -> None:
    msg_id = demo.say()
    demo.dingtalk.expire(msg_id)
    demo.reply(msg_id, "咖啡好了")
    demo.end(msg_id, "answered")
    assert demo.numbers.lost == 1


def test_a_message_that_the_ledger_has_never_heard_of_is_lost(demo: Demo) -> None:
    demo.unknown.add(demo.say())
    assert demo.numbers == Numbers(accepted=1, lost=1)


@pytest.mark.parametrize("second", ["咖啡好了", "茶好了"])
def test_two_replies_to_one_message_count_as_twice(demo: Demo, second: str) -> None:
    msg_id = demo.say()
    demo.reply(msg_id, "咖啡好了", second)
    demo.end(msg_id, "answered")
    assert demo.numbers == Numbers(accepted=1, answered=1, twice=1)


def test_the_parts_of_a_long_answer_count_once_and_a_part_that_comes_again_twice(
    demo: Demo,
) -> None:
    parts = ("一" * 5000, "二" * 5000)
    msg_id = demo.say()
    demo.reply(msg_id, *parts)
    assert demo.numbers.twice == 0
    demo.reply(msg_id, parts[1])
    assert demo.numbers.twice == 1


@pytest.mark.parametrize(
    "first",
    [text("咖啡好了"), markdown("帮助", "咖啡"), markdown("报告（1/2）", LONG)],
    ids=lambda payload: str(payload["msgtype"]),
)
@pytest.mark.parametrize(
    "second", [markdown("报告", LONG + "一"), markdown("报告（1/2）", LONG + "一")]
)
def test_an_answer_that_does_not_go_on_with_the_one_before_is_another_however_long(
    demo: Demo, first: dict[str, Any], second: dict[str, Any]
) -> None:
    demo.show(demo.say(), first, second)
    assert demo.numbers.twice == 1


@pytest.mark.parametrize(
    "titles",
    [("报告（1/3）", "报告（2/3）", "报告（3/3）"), ("报告", "报告（1/2）", "报告（2/2）")],
)
def test_the_numbered_parts_of_a_long_markdown_count_once(
    demo: Demo, titles: tuple[str, ...]
) -> None:
    parts = [markdown(title, f"{LONG}{number}") for number, title in enumerate(titles)]
    demo.show(demo.say(), *parts)
    assert demo.numbers.twice == 0


@pytest.mark.parametrize("notice", [LOOKING_UP, to_traditional(LOOKING_UP)])
def test_a_notice_that_it_takes_a_while_is_no_answer(demo: Demo, notice: str) -> None:
    msg_id = demo.say()
    demo.reply(msg_id, notice, "咖啡好了")
    assert demo.numbers.twice == 0
    other = demo.say()
    demo.reply(other, notice)
    demo.end(other, "answered")
    assert demo.numbers.lost == 1


def test_a_card_or_a_push_that_went_there_since_shows_as_the_answer(demo: Demo) -> None:
    msg_id = demo.say("报销", group="研发")
    demo.dingtalk.bot_sends.card_to_group("elsewhere", "市场")
    demo.end(msg_id, "answered")
    assert demo.numbers.lost == 1
    msg_id = demo.say("报销", group="研发")
    demo.dingtalk.bot_sends.card_to_group("card", "研发")
    demo.end(msg_id, "answered")
    assert demo.numbers == Numbers(accepted=2, answered=1, lost=1)


def test_a_private_answer_shows_in_the_senders_single_chat(demo: Demo) -> None:
    msg_id = demo.say("绩效", sender="李四")
    demo.dingtalk.bot_sends.to_person("李四", text("只有你看得到"))
    demo.end(msg_id, "answered")
    assert demo.numbers.answered == 1


@pytest.mark.parametrize(
    ("state", "reason", "end"),
    [
        ("unmatched", "", "silent"),
        ("dead", "failed: HTTP 500", "dead"),
        ("dead", "expired", "dead"),
    ],
)
def test_one_that_ends_without_an_answer_is_counted_by_why(
    demo: Demo, state: str, reason: str, end: str
) -> None:
    demo.end(demo.say(), state, reason)
    assert demo.numbers == replace(Numbers(accepted=1), **{end: 1})


def test_an_answer_whose_line_broke_shows_all_the_same(demo: Demo) -> None:
    msg_id = demo.say()
    demo.reply(msg_id, "咖啡好了")
    demo.end(msg_id, "dead", "unknown: the connection broke")
    assert demo.numbers == Numbers(accepted=1, answered=1)


def test_what_the_gateway_did_not_take_is_turned_away_and_not_accepted(demo: Demo) -> None:
    demo.say(ack=json.dumps(text(BUSY), ensure_ascii=False))
    unreached = demo.dingtalk.send(UserMessage("你好"))
    demo.dingtalk.note_undelivered(unreached.msg_id, "Nothing answers")
    assert demo.numbers == Numbers(turned_away=2)


def test_a_notice_that_the_answer_comes_late_is_an_acceptance(demo: Demo) -> None:
    demo.say(ack=json.dumps(text(LATE), ensure_ascii=False))
    assert demo.numbers == Numbers(accepted=1, open=1)


def test_what_is_not_for_the_bot_is_not_counted(demo: Demo) -> None:
    unmentioned = demo.dingtalk.send(UserMessage("你好", mention=False))
    demo.dingtalk.note_undelivered(unmentioned.msg_id, "not mentioned")
    demo.dingtalk.bot_sends.to_group(text("停机维护"))
    assert demo.numbers == Numbers()


def test_messages_that_are_forgotten_stay_counted(demo: Demo) -> None:
    msg_id = demo.say()
    demo.reply(msg_id, "咖啡好了")
    demo.end(msg_id, "answered")
    assert demo.numbers.answered == 1
    for _ in range(MAX_RECORDS):
        demo.dingtalk.send(UserMessage("你好", mention=False))
    assert demo.dingtalk.record(msg_id) is None
    assert demo.numbers.answered == 1


async def test_messages_that_are_forgotten_before_anybody_asks_are_counted(demo: Demo) -> None:
    changes = ChangeNotifier()
    following = asyncio.create_task(demo.tally.follow(changes))
    demo.say()
    await changes.announce()
    while demo.tally.is_behind:  # noqa: ASYNC110 - it counts of its own accord
        await asyncio.sleep(0.01)
    demo.dingtalk.records.clear(but=lambda _: False)
    await changes.close()
    await following
    assert demo.numbers.accepted == 1
