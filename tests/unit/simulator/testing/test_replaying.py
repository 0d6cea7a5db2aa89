"""What differs between a transcript and what is shown now, message by message."""

from collections.abc import Sequence
from typing import Any

from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.transcript import Entry, Transcript, records_of
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.testing.replaying import differences

ASKED, ALONE = UserMessage("天气 北京"), UserMessage("绩效", sender="李四", single=True)
TO_LI = UserMessage("", sender="李四", single=True)


def text(content: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": content}}


def shown(*entries: Entry) -> list[Record]:
    return records_of(Transcript(1, entries), now_ms=0)


def compare(
    then: Sequence[Entry], now: Sequence[Entry], *, ignore: Sequence[str] = ()
) -> list[str]:
    records = shown(*now)
    return differences(
        Transcript(1, tuple(then)),
        [record for record in records if record.prompted],
        [record for record in records if not record.prompted],
        lambda _: None,
        ignore,
    )


def test_nothing_differs_where_the_same_is_shown() -> None:
    entries = [Entry(ASKED, (text("晴"),)), Entry(TO_LI, (text("假"),), pushed=True)]
    assert compare(entries, entries) == []


def test_a_reply_that_differs_is_told_with_its_message() -> None:
    then = [Entry(ALONE, (text("A"),)), Entry(ASKED, (text("晴"),))]
    (told,) = compare(then, [then[0], Entry(ASKED, (text("雨"),))])
    first, *lines = told.splitlines()
    assert first == "张三, 2: 天气 北京"
    assert [line.strip() for line in lines if line[0] in "+-"] == [
        '-      "content": "晴"',
        '+      "content": "雨"',
    ]


def test_a_reply_that_is_missing_or_too_many_is_told() -> None:
    (missing,) = compare([Entry(ASKED, (text("晴"),))], [Entry(ASKED)])
    (too_many,) = compare([Entry(ALONE)], [Entry(ALONE, (text("A"),))])
    assert '-      "content": "晴"' in missing
    assert too_many.startswith("李四 alone, 1: 绩效")
    assert '+      "content": "A"' in too_many


def test_what_is_ignored_may_differ() -> None:
    then, now = [Entry(ASKED, (text("14:05 晴"),))], [Entry(ASKED, (text("09:30 晴"),))]
    assert compare(then, now)
    assert compare(then, now, ignore=[r"\d\d:\d\d"]) == []


def test_what_was_sent_first_is_compared_chat_by_chat() -> None:
    to_group = UserMessage("", mention=False)
    then = [
        Entry(ASKED),
        Entry(TO_LI, (text("假"),), pushed=True),
        Entry(to_group, (text("开会"),), pushed=True),
    ]
    assert compare(then, [then[0], then[2], then[1]]) == []
    (told,) = compare(then, then[:2])
    assert told.startswith("the group, sent first")
