"""The Stream mode of a simulated DingTalk, for tests that may be `async` or not."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from anyio.from_thread import BlockingPortal

from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.stream_faults import NO_STREAM_FAULTS, StreamFaults
from dingda.simulator.dingtalk.stream_pushes import PushRecord
from dingda.simulator.dingtalk.stream_state import StreamState


class SimulatedStream:
    """The connections of a simulator, and what can be done to them.

    Args:
        client: of a simulator that runs.
        portal: to the event loop of the client, which is in a thread of its own.
    """

    def __init__(self, client: SimulatorClient, portal: BlockingPortal) -> None:
        self._client = client
        self._portal = portal

    @property
    def state(self) -> StreamState:
        """The connections, and what became of the pushes."""
        return self._portal.call(self._client.stream_state)

    def disconnect(self, reason: str) -> None:
        """Tell every connection to disconnect, as DingTalk does before it cuts it."""
        self._portal.call(self._client.disconnect_streams, reason)

    def cut(self) -> None:
        """Cut every TCP connection without a word."""
        self._portal.call(self._client.cut_streams)

    def push_event(self, event_type: str, data: Mapping[str, Any] | None = None) -> PushRecord:
        """Push an event; returns once the first delivery has ended."""
        return self._portal.call(partial(self._client.push_event, event_type, data or {}))

    def push_card_callback(self, **press: Any) -> PushRecord:
        """Push the press of a card's button, by the fields of `CardPress`."""
        return self._portal.call(partial(self._client.push_card_callback, press))

    def push_frame(self, **frame: Any) -> PushRecord:
        """Push any frame, by the fields of `FramePush`."""
        return self._portal.call(partial(self._client.push_frame, frame))

    def look(self, push: PushRecord) -> PushRecord:
        """What has become of a push by now, of the latest hundred."""
        pushes = self._portal.call(self._client.pushes)
        return next(each for each in pushes if each.id == push.id)

    def set_faults(self, **faults: Any) -> None:
        """Choose what goes wrong; see `StreamFaults`. What is left out is off."""
        settings = StreamFaults.from_json(json.dumps(faults).encode())
        self._portal.call(self._client.set_stream_faults, settings)

    @contextmanager
    def faults(self, **faults: Any) -> Iterator[None]:
        """Inject faults in a `with` block; see `StreamFaults`."""
        self.set_faults(**faults)
        try:
            yield
        finally:
            self._portal.call(self._client.set_stream_faults, NO_STREAM_FAULTS)
