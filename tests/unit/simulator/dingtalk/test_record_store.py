from dataclasses import replace

from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.record_store import RecordStore
from dingda.simulator.dingtalk.user_message import UserMessage


def a_record(msg_id: str) -> Record:
    return Record(
        msg_id=msg_id,
        sent_at_ms=0,
        said=UserMessage("你好"),
        headers={},
        callback={},
        session_expires_ms=1,
    )


def test_the_records_changed_since_a_revision_come_in_the_order_of_the_messages() -> None:
    store = RecordStore()
    first, second, third = (a_record(name) for name in ("first", "second", "third"))
    for record in (first, second, third):
        store.put(record)
    heard = store.revision
    store.put(replace(third, undelivered="lost"))
    store.put(replace(first, undelivered="lost"))
    assert [record.msg_id for record in store.since(heard)] == ["first", "third"]
    assert [record.msg_id for record in store.since(0)] == ["first", "second", "third"]


def test_without_a_change_there_is_nothing_new() -> None:
    store = RecordStore()
    store.put(a_record("only"))
    assert not store.has_changed_since(store.revision)
    assert store.since(store.revision) == []


def test_a_change_of_something_else_is_news_too() -> None:
    store = RecordStore()
    store.touch()
    assert store.has_changed_since(0)
    assert store.since(0) == []
