import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.record_store import RecordStore
from dingda.simulator.dingtalk.stream_faults import NO_STREAM_FAULTS, StreamFaults
from dingda.simulator.http.events import Events


async def follow(events: Events) -> AsyncIterator[str]:
    response = await events.follow(Request({"type": "http", "headers": []}))
    assert isinstance(response, StreamingResponse)
    async for event in response.body_iterator:
        yield bytes(event).decode()  # type: ignore[arg-type]  # ours are bytes


async def test_what_is_told_besides_records_is_told_at_first_and_when_it_has_changed() -> None:
    faults = NO_STREAM_FAULTS
    changes = ChangeNotifier()
    heard = follow(Events(RecordStore(), {"stream_faults": lambda: faults}, changes))
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
