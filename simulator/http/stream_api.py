"""The part of the simulator's API that shows and disturbs Stream mode."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_commands import Disconnection
from dingda.simulator.dingtalk.stream_faults import StreamFaults
from dingda.simulator.http.api import check_json, read_body
from dingda.simulator.http.events import View


def stream_api_routes(stream: Stream, changes: ChangeNotifier) -> list[BaseRoute]:
    """Build the API's routes for Stream mode.

    Args:
        stream: the connections.
        changes: announces what was changed.
    """
    endpoints = _Endpoints(stream, changes)
    return [
        Route("/api/stream", endpoints.show, methods=["GET"]),
        Route("/api/stream/disconnect", endpoints.disconnect, methods=["POST"]),
        Route("/api/stream/cut", endpoints.cut, methods=["POST"]),
        Route("/api/stream/faults", endpoints.show_faults, methods=["GET"]),
        Route("/api/stream/faults", endpoints.set_faults, methods=["PUT"]),
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
