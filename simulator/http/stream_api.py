"""The part of the simulator's API that shows Stream mode, pushes through it and disturbs it."""

from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from dingda.shared.runtime.clock import wall_clock_ms
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.faults import CallbackFault
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_commands import (
    CardPress,
    Disconnection,
    EventPush,
    FramePush,
)
from dingda.simulator.dingtalk.stream_faults import StreamFaults
from dingda.simulator.dingtalk.stream_frames import Push
from dingda.simulator.dingtalk.stream_pushes import PushRecord, StreamPushes
from dingda.simulator.http.api_requests import check_json, read_body
from dingda.simulator.http.events import View


def stream_api_routes(
    dingtalk: Simulation, stream: Stream, pushes: StreamPushes, changes: ChangeNotifier
) -> list[BaseRoute]:
    """Build the API's routes for Stream mode.

    Args:
        dingtalk: says whether the quota is used up.
        stream: the connections.
        pushes: sends what is no message.
        changes: announces what was changed.
    """
    endpoints = _Endpoints(stream, changes)
    sending = _Pushes(dingtalk, pushes, changes)
    return [
        Route("/api/stream", endpoints.show, methods=["GET"]),
        Route("/api/stream/disconnect", endpoints.disconnect, methods=["POST"]),
        Route("/api/stream/cut", endpoints.cut, methods=["POST"]),
        Route("/api/stream/faults", endpoints.show_faults, methods=["GET"]),
        Route("/api/stream/faults", endpoints.set_faults, methods=["PUT"]),
        Route("/api/stream/pushes", sending.show, methods=["GET"]),
        Route("/api/stream/events", sending.push_event, methods=["POST"]),
        Route("/api/stream/card-callbacks", sending.push_card_callback, methods=["POST"]),
        Route("/api/stream/frames", sending.push_frame, methods=["POST"]),
    ]


def stream_views(stream: Stream) -> dict[str, View]:
    """What the events tell of Stream mode, by their names."""
    return {"stream": lambda: stream.state, "stream_faults": lambda: stream.faults}


class _Endpoints:
    def __init__(self, stream: Stream, changes: ChangeNotifier) -> None:
        self._stream = stream
        self._changes = changes

    async def show(self, _: Request) -> Response:
        return Response(self._stream.state.to_json(), media_type="application/json")

    async def disconnect(self, request: Request) -> Response:
        wanted = await read_body(request, Disconnection.from_json)
        return await self._tell(self._stream.disconnect(wanted.reason))

    async def cut(self, request: Request) -> Response:
        check_json(request)
        return await self._tell(self._stream.cut())

    async def show_faults(self, _: Request) -> Response:
        return Response(self._stream.faults.to_json(), media_type="application/json")

    async def set_faults(self, request: Request) -> Response:
        self._stream.faults = await read_body(request, StreamFaults.from_json)
        await self._changes.announce()
        return await self.show_faults(request)

    async def _tell(self, connections: int) -> Response:
        await self._changes.announce()
        return JSONResponse({"connections": connections})


class _Pushes:
    def __init__(self, dingtalk: Simulation, pushes: StreamPushes, changes: ChangeNotifier) -> None:
        self._dingtalk = dingtalk
        self._pushes = pushes
        self._changes = changes

    async def show(self, _: Request) -> Response:
        records = PushRecord.list_to_json(self._pushes.records)
        return Response(records, media_type="application/json")

    async def push_event(self, request: Request) -> Response:
        event = await read_body(request, EventPush.from_json)
        event_id = _new_id()
        is_over_quota = self._dingtalk.faults.callbacks is CallbackFault.QUOTA
        push = event.to_push(event_id, now_ms=wall_clock_ms(), is_over_quota=is_over_quota)
        return await self._send(event.clientId, event_id, push)

    async def push_card_callback(self, request: Request) -> Response:
        press = await read_body(request, CardPress.from_json)
        return await self._send(press.clientId, _new_id(), press.to_push())

    async def push_frame(self, request: Request) -> Response:
        frame = await read_body(request, FramePush.from_json)
        return await self._send(frame.clientId, _new_id(), frame.to_push())

    async def _send(self, client_id: str, push_id: str, push: Push) -> Response:
        record = await self._pushes.send(client_id, push_id, push)
        await self._changes.announce()
        return Response(record.to_json(), media_type="application/json")


def _new_id() -> str:
    return uuid4().hex
