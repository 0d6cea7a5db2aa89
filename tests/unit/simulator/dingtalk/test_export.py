"""A message as a test: what belongs to it, and how it is written."""

import json
from dataclasses import replace

import pytest

from dingda.shared.ledger.timeline import MessageTimeline
from dingda.shared.runtime.inspection import Inspection
from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.simulator.dingtalk.card import Card, CardState, CardView, Press
from dingda.simulator.dingtalk.copied import Copied, copied_from
from dingda.simulator.dingtalk.export import as_test
from dingda.simulator.dingtalk.media import StoredFile
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.replies import record_reply
from dingda.simulator.dingtalk.rules import OK
from dingda.simulator.dingtalk.user_message import UserMessage


def a_record(
    text: str = "咖啡", *, pushed: bool = False, is_answer: bool = False, **fields: object
) -> Record:
    said = UserMessage("" if pushed else text, **fields)  # type: ignore[arg-type]
    payload = {"msgtype": "text", "text": {"content": text}}
    return Record(
        msg_id=text,
        sent_at_ms=0,
        said=said,
        headers={},
        callback={},
        session_expires_ms=0,
        replies=(record_reply(payload, OK, after_ms=0),) if pushed else (),
        prompted=not pushed,
        inspection=Inspection(is_answer=is_answer),
    )


def a_card(text: str, *, presses: tuple[Press, ...] = (), **private: str) -> Card:
    views = {seen_by: CardView(text=shown) for seen_by, shown in {"": text, **private}.items()}
    return Card(
        "t1",
        "template",
        created_at_ms=0,
        changed_at_ms=0,
        state=CardState.PLAIN,
        data={},
        private={},
        local={},
        views=views,
        presses=presses,
    )


def no_file(_: str) -> None:
    """There is none."""


no_card = no_file


def test_what_led_to_an_answer_was_said_by_the_same_person_in_the_same_chat() -> None:
    asked = a_record("订餐", sender="李四")
    other = a_record("天气", sender="张三")
    elsewhere = a_record("订餐 单聊", sender="李四", single=True)
    answer = a_record("红烧肉", sender="李四", is_answer=True)
    copied = copied_from(
        answer, [a_record("更早", sender="李四"), asked, other, elsewhere, answer], no_card
    )
    assert copied.before == (asked,)


def test_a_dialogue_of_several_questions_is_copied_from_its_beginning() -> None:
    steps = [a_record("订餐"), a_record("红烧肉", is_answer=True), a_record("大份", is_answer=True)]
    assert copied_from(steps[2], [a_record("更早"), *steps], no_card).before == tuple(steps[:2])


def test_what_was_asked_back_in_private_was_led_to_in_the_group() -> None:
    asked = a_record("值班", sender="李四")
    question = a_record("哪个组？", pushed=True, sender="李四", single=True)
    answer = a_record("支付组", sender="李四", single=True, is_answer=True)
    records = [a_record("更早", sender="李四", single=True), asked, question, answer]
    assert copied_from(answer, records, no_card).before == (asked,)


def test_an_answer_that_grew_is_expected_on_its_card() -> None:
    card = replace(a_record("", pushed=True, sender="李四", single=True), replies=(), card="t1")
    shown = {"t1": a_card("上线三次")}
    text = as_test(Copied(a_record("周报"), pushed=(card,), cards=shown), no_file)
    assert "assert [card.seen_by('').text for card in cards] == ['上线三次']" in text
    compile(text, "copied", "exec")


def test_what_single_people_see_of_a_card_is_expected_as_well() -> None:
    card = replace(a_record("", pushed=True, mention=False), replies=(), card="t1")
    shown = {"t1": a_card("周报", user1="周报，由你写")}
    text = as_test(Copied(a_record("周报"), pushed=(card,), cards=shown), no_file)
    assert "== [{'': '周报', 'user1': '周报，由你写'}]" in text


def test_presses_are_repeated_and_what_they_led_to_is_waited_for() -> None:
    card = replace(a_record("", pushed=True, mention=False), replies=(), card="t1")
    presses = (
        Press("p1", staff_id_of("王五"), "approve", {}, at_ms=1),
        Press("p2", "stranger", "approve", {}, at_ms=2),
    )
    shown = {"t1": a_card("120 元\n王五：同意（11-29 07:10）", presses=presses)}
    names = {staff_id_of("王五"): "王五"}
    text = as_test(Copied(a_record("报销"), pushed=(card,), cards=shown, names=names), no_file)
    assert "dingtalk.press(cards[0], 'approve', by='王五')\n" in text
    assert "# 'stranger', whose name is not known, has pressed 'approve'." in text
    assert "lines = ['120 元']\n        dingtalk.wait_until(" in text
    compile(text, "copied", "exec")


def test_the_clock_is_that_of_the_message_and_the_simulator_is_named_wherever_it_is() -> None:
    said = replace(
        a_record("天气"),
        sent_at_ms=1_795_906_063_448,
        replies=a_record("晴\n来自 127.0.0.1:8100，'模拟'", pushed=True).replies,
    )
    text = as_test(Copied(said, host="127.0.0.1:8100"), no_file)
    assert "clock_at(datetime.fromisoformat('2026-11-29T06:47:43+08:00'))" in text
    assert "8100" not in text
    expected = text.partition("== ")[2].replace("dingtalk.host", "'localhost:1'")
    shown = [{"msgtype": "text", "text": {"content": "晴\n来自 localhost:1，'模拟'"}}]
    assert eval(expected) == shown  # noqa: S307 - it is what was written above


def test_what_is_pushed_before_the_next_message_belongs_to_this_one() -> None:
    said, push = a_record("上线"), a_record("开始上线", pushed=True, mention=False)
    later = a_record("下一条推送", pushed=True, sender="李四", single=True)
    copied = copied_from(
        said, [a_record("早先推送", pushed=True), said, push, a_record("天气"), later], no_card
    )
    assert copied.pushed == (push,)


def test_pushes_are_expected_in_each_chat_they_came_to() -> None:
    pushed = (
        a_record("一", pushed=True, mention=False),
        a_record("二", pushed=True, sender="李四", single=True),
        a_record("三", pushed=True, mention=False),
    )
    text = as_test(Copied(a_record("上线"), pushed=pushed), no_file)
    assert "dingtalk.pushed_after(record, group='', count=2)" in text
    assert "dingtalk.pushed_after(record, to='李四', count=1)" in text
    compile(text, "copied", "exec")


@pytest.mark.parametrize(
    ("content", "written"),
    [
        (b"%PDF", "b'%PDF'"),
        (bytes(4001), "Path(__file__).with_name('f1-plan.pdf').read_bytes()"),
    ],
)
def test_a_file_is_written_down_if_it_is_small(content: bytes, written: str) -> None:
    record = a_record("plan.pdf", kind="file", single=True, file="f1")
    text = as_test(Copied(record), {"f1": StoredFile("plan.pdf", content)}.get)
    assert f"file=dingtalk.give_file('plan.pdf', {written})" in text


def test_a_file_that_is_too_long_is_to_be_saved_beside_the_test_under_a_harmless_name() -> None:
    record = a_record("plan", kind="file", single=True, file="f1")
    file = StoredFile("../计划\nassert False", bytes(4001))
    text = as_test(Copied(record, host="127.0.0.1:8100"), {"f1": file}.get)
    assert "    # Save http://127.0.0.1:8100/api/files/f1 beside this test, as\n" in text
    assert "    # 'f1-.._计划_assert_False': it has 4001 bytes.\n" in text
    compile(text, "copied", "exec")


def test_a_file_that_is_forgotten_is_a_sample_again() -> None:
    record = a_record("plan.pdf", kind="file", single=True, file="f1")
    assert "file=''" in as_test(Copied(record), no_file)


def test_a_body_that_was_sent_byte_for_byte_is_again() -> None:
    record = replace(a_record(), raw=True, verbatim=b"\xff{")
    assert r"dingtalk.ask_raw(b'\xff{', verbatim=True)" in as_test(Copied(record), no_file)


def test_a_slow_answer_to_a_whole_callback_is_waited_for() -> None:
    ended = MessageTimeline("answered", "", 1, 2, 3, 15_001, 1, None, "")
    record = replace(a_record(), raw=True, callback={"msgtype": "text"}, stories=(ended,))
    assert "dingtalk.ask_raw({'msgtype': 'text'}, wait_s=30)" in as_test(Copied(record), no_file)


def test_a_captured_session_is_blanked() -> None:
    webhook = "https://oapi.dingtalk.com/robot/sendBySession?session=0a1b"
    callback = {"quoted": webhook, "sessionWebhook": webhook}
    record = replace(a_record(), raw=True, callback=callback)
    for raw in (record, replace(record, verbatim=json.dumps(callback).encode())):
        test = as_test(Copied(raw), no_file)
        assert "session=***" in test
        assert "0a1b" not in test


def test_a_session_is_blanked_in_the_tests_name_as_well() -> None:
    record = replace(a_record("session=0a1b"), raw=True, callback={})
    assert "0a1b" not in as_test(Copied(record), no_file)


def test_words_that_look_like_python_bring_no_import() -> None:
    text = as_test(Copied(a_record("Quotation(x)")), no_file)
    assert "from dingda.testing import SimulatedDingTalk\n" in text
