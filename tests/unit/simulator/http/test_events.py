import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.record_store import RecordStore
from dingda.simulator.dingtalk.stream_faults import NO_STREAM_FAULTS, StreamFaults
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.http.events import Events, Feed


def a_record(msg_id: str) -> Record:
    return Record(msg_id, 1, UserMessage("问"), {}, {}, 2)


async def follow(events: Events, last_id: str = "") -> AsyncIterator[str]:
    headers = [(b"last-event-id", last_id.encode())] if last_id else []
    response = await events.follow(Request({"type": "http", "headers": headers}))
    assert isinstance(response, StreamingResponse)
    async for event in response.body_iterator:
        yield bytes(event).decode()  # type: ignore[arg-type]  # ours are bytes


async def test_what_is_told_besides_records_is_told_at_first_and_when_it_has_changed() -> None:
    faults = NO_STREAM_FAULTS
    changes = ChangeNotifier()
    heard = follow(Events(RecordStore(), Feed({"stream_faults": lambda: faults}), changes))
    first = [await anext(heard) for _ in range(3)]
    assert [event.partition("\n")[0] for event in first] == [
        "event: beginning",
        "event: stream_faults",
        "event: revision",
    ]
    following = asyncio.ensure_future(anext(heard))
    await changes.announce()
    assert not following.done()
    faults = StreamFaults(zombie=True)
    await changes.announce()
    assert '"zombie":true' in await following


async def test_a_follower_begins_again_once_records_are_forgotten() -> None:
    records, changes = RecordStore(), ChangeNotifier()
    kept, forgotten = (a_record(msg_id) for msg_id in ("kept", "forgotten"))
    records.put(forgotten)
    records.put(kept)
    heard = follow(Events(records, Feed(), changes))
    before = [await anext(heard) for _ in range(4)]
    records.clear(but=lambda record: record == kept)
    await changes.announce()
    after = [await anext(heard) for _ in range(3)]
    assert [event.partition("\n")[0] for event in after] == [
        "event: beginning",
        "event: record",
        "event: revision",
    ]
    assert after[1] == before[2]


async def test_a_client_from_before_they_were_forgotten_begins_again_as_well() -> None:
    records, changes = RecordStore(), ChangeNotifier()
    records.put(a_record("forgotten"))
    events = Events(records, Feed(), changes)
    heard = follow(events)
    last_id = [await anext(heard) for _ in range(3)][-1].partition("id: ")[2].partition("\n")[0]
    resumed = await anext(follow(events, last_id))
    assert not resumed.startswith("event: beginning")
    records.clear(but=lambda _: False)
    assert (await anext(follow(events, last_id))).startswith("event: beginning")
