from dataclasses import replace

from dingda.simulator.dingtalk.callback import UserMessage
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.record_store import RecordStore


def a_record(msg_id: str) -> Record:
    return Record(
        msg_id=msg_id,
        sent_at_ms=0,
        said=UserMessage("你好"),
        headers={},
        callback={},
        session_expires_ms=1,
    )


def test_what_changed_since_a_revision_is_told_in_the_order_of_the_messages() -> None:
    archive = RecordStore()
    first, second, third = (a_record(name) for name in ("first", "second", "third"))
    for record in (first, second, third):
        archive.put(record)
    heard = archive.revision
    archive.put(replace(third, undelivered="lost"))
    archive.put(replace(first, undelivered="lost"))
    assert [record.msg_id for record in archive.since(heard)] == ["first", "third"]
    assert [record.msg_id for record in archive.since(0)] == ["first", "second", "third"]


def test_nothing_new_is_nothing() -> None:
    archive = RecordStore()
    archive.put(a_record("only"))
    assert not archive.knows_more(archive.revision)
    assert archive.since(archive.revision) == []


def test_a_change_of_something_else_is_news_too() -> None:
    archive = RecordStore()
    archive.touch()
    assert archive.knows_more(0)
    assert archive.since(0) == []
