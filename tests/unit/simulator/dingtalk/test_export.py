"""A message as a test: what belongs to it, and how it is written."""

import json
from dataclasses import replace

import pytest

from dingda.shared.runtime.inspection import Inspection
from dingda.simulator.dingtalk.export import Copied, as_test, copied_from
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
    text = as_test(Copied(a_record("周报"), pushed=(card,), cards={"t1": "上线三次"}), no_file)
    assert "assert [card.seen_by('').text for card in cards] == ['上线三次']" in text
    compile(text, "copied", "exec")


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
    ("content", "written"), [(b"%PDF", "b'%PDF'"), (bytes(4001), "bytes(4001)")]
)
def test_a_file_is_written_down_if_it_is_small(content: bytes, written: str) -> None:
    record = a_record("plan.pdf", kind="file", single=True, file="f1")
    text = as_test(Copied(record), {"f1": StoredFile("plan.pdf", content)}.get)
    assert f"file=dingtalk.give_file('plan.pdf', {written})" in text


def test_a_file_that_is_forgotten_is_a_sample_again() -> None:
    record = a_record("plan.pdf", kind="file", single=True, file="f1")
    assert "file=''" in as_test(Copied(record), no_file)


def test_a_body_that_was_sent_byte_for_byte_is_again() -> None:
    record = replace(a_record(), raw=True, verbatim=b"\xff{")
    assert r"dingtalk.ask_raw(b'\xff{', verbatim=True)" in as_test(Copied(record), no_file)


def test_a_captured_session_is_blanked() -> None:
    webhook = "https://oapi.dingtalk.com/robot/sendBySession?session=0a1b"
    callback = {"quoted": webhook, "sessionWebhook": webhook}
    record = replace(a_record(), raw=True, callback=callback)
    for raw in (record, replace(record, verbatim=json.dumps(callback).encode())):
        test = as_test(Copied(raw), no_file)
        assert "session=***" in test
        assert "0a1b" not in test


def test_words_that_look_like_python_bring_no_import() -> None:
    text = as_test(Copied(a_record("Quotation(x)")), no_file)
    assert "from dingda.testing import SimulatedDingTalk\n" in text
