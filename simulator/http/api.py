"""The simulator's JSON API for its clients, described in `/openapi.json`."""

import asyncio
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.export import as_curl
from dingda.simulator.dingtalk.faults import FaultSettings
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import Burst, UserMessage
from dingda.simulator.errors import CallbackUnansweredError
from dingda.simulator.http.api_requests import (
    as_api_errors,
    check_is_open,
    check_json,
    found,
    read_body,
    read_flag,
    read_wait_s,
)
from dingda.simulator.http.delivery import Delivery
from dingda.simulator.http.events import Events, Feed
from dingda.simulator.http.schema import describe
from dingda.simulator.inspections import Inspections

_BETWEEN_S = 0.002
"""How far apart the messages of a burst are sent: the gateway takes few with one signature, and
those of one millisecond have the same."""


def api_routes(
    dingtalk: Simulation,
    delivery: Delivery,
    changes: ChangeNotifier,
    feed: Feed,
    inspections: Inspections,
) -> list[BaseRoute]:
    """Build the API's routes.

    Args:
        dingtalk: the simulation.
        delivery: brings the callbacks to the bot.
        changes: wakes the requests that wait for a change.
        feed: what the events send besides records.
        inspections: what workers report of their work.
    """
    endpoints = _Endpoints(dingtalk, delivery, changes, inspections)
    events = Events(dingtalk.records, feed, changes)
    # A msgId holds slashes, and they arrive decoded.
    message = "/api/messages/{msg_id:path}"
    return [
        Route("/api/messages", endpoints.list_messages, methods=["GET"]),
        Route("/api/messages", endpoints.send_message, methods=["POST"]),
        Route("/api/bursts", endpoints.send_burst, methods=["POST"]),
        Route("/api/callbacks", endpoints.send_callback, methods=["POST"]),
        Route("/api/callbacks/preview", endpoints.preview_callback, methods=["POST"]),
        Route(f"{message}/redeliver", endpoints.redeliver, methods=["POST"]),
        Route(f"{message}/expire", endpoints.expire, methods=["POST"]),
        Route(f"{message}/curl", endpoints.show_curl, methods=["GET"]),
        Route(message, endpoints.show_message, methods=["GET"]),
        Route("/api/skills", endpoints.list_skills, methods=["GET"]),
        Route("/api/bad-day", endpoints.show_faults, methods=["GET"]),
        Route("/api/bad-day", endpoints.set_faults, methods=["PUT"]),
        Route("/api/events", events.follow, methods=["GET"]),
        Route("/api/health", _healthy, methods=["GET"]),
        Route("/openapi.json", _describe, methods=["GET"]),
    ]


class _Endpoints:
    def __init__(
        self,
        dingtalk: Simulation,
        delivery: Delivery,
        changes: ChangeNotifier,
        inspections: Inspections,
    ) -> None:
        self._delivery = delivery
        self._dingtalk = dingtalk
        self._inspections = inspections
        self._changes = changes

    async def list_messages(self, _: Request) -> Response:
        self._inspections.catch_up()
        records = Record.list_to_json(self._dingtalk.records.since(0))
        return Response(records, media_type="application/json")

    async def send_message(self, request: Request) -> Response:
        message = await read_body(request, UserMessage.from_json)
        with as_api_errors():
            msg_id = await self._delivery.say(message)
        return _show(self._record(msg_id))

    async def send_burst(self, request: Request) -> Response:
        """Send a message many times at once; the records tell which were not acknowledged."""
        burst = await read_body(request, Burst.from_json)
        callbacks: list[SignedCallback] = []
        deliveries: list[asyncio.Task[None]] = []
        for message in burst.messages:
            with as_api_errors():
                callbacks.append(self._dingtalk.send(message))
            deliveries.append(asyncio.create_task(self._try_to_deliver(callbacks[-1])))
            await asyncio.sleep(_BETWEEN_S)
        await asyncio.gather(*deliveries)
        records = [self._dingtalk.record(callback.msg_id) for callback in callbacks]
        known = [record for record in records if record]
        return Response(Record.list_to_json(known), media_type="application/json")

    async def send_callback(self, request: Request) -> Response:
        check_json(request)
        verbatim = read_flag(request, "verbatim")
        callback = self._dingtalk.send_raw(await request.body(), verbatim=verbatim)
        await self._deliver(callback)
        return _show(self._record(callback.msg_id))

    async def preview_callback(self, request: Request) -> Response:
        message = await read_body(request, UserMessage.from_json)
        with as_api_errors():
            return JSONResponse(self._dingtalk.preview(message))

    async def redeliver(self, request: Request) -> Response:
        check_json(request)
        await self._deliver(self._signed_again(request))
        return _show(self._record(request.path_params["msg_id"]))

    async def expire(self, request: Request) -> Response:
        check_json(request)
        msg_id = self._record(request.path_params["msg_id"]).msg_id
        self._dingtalk.expire(msg_id)
        await self._changes.announce()
        return _show(self._record(msg_id))

    async def show_curl(self, request: Request) -> Response:
        return PlainTextResponse(as_curl(self._signed_again(request), self._delivery.callback_url))

    async def show_message(self, request: Request) -> Response:
        msg_id = request.path_params["msg_id"]
        if not await self._delivery.wait_until_settled(msg_id, wait_s=read_wait_s(request)):
            check_is_open(self._changes)
        self._inspections.catch_up()
        return _show(self._record(msg_id))

    async def list_skills(self, _: Request) -> Response:
        self._inspections.catch_up()
        return Response(self._inspections.skills.to_json(), media_type="application/json")

    async def show_faults(self, _: Request) -> Response:
        return Response(self._dingtalk.faults.to_json(), media_type="application/json")

    async def set_faults(self, request: Request) -> Response:
        self._dingtalk.faults = await read_body(request, FaultSettings.from_json)
        await self._changes.announce()
        return await self.show_faults(request)

    async def _try_to_deliver(self, callback: SignedCallback) -> None:
        with suppress(CallbackUnansweredError):
            await self._delivery.deliver(callback)

    async def _deliver(self, callback: SignedCallback) -> None:
        with as_api_errors():
            await self._delivery.deliver(callback)

    def _record(self, msg_id: str) -> Record:
        return found(self._dingtalk.record(msg_id))

    def _signed_again(self, request: Request) -> SignedCallback:
        return found(self._dingtalk.send_again(request.path_params["msg_id"]))


async def _healthy(_: Request) -> Response:
    return JSONResponse({"alive": True})


async def _describe(_: Request) -> Response:
    return JSONResponse(describe())


def _show(record: Record) -> Response:
    return Response(record.to_json(), media_type="application/json")
