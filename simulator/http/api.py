"""The simulator's JSON API for its clients, described in `/openapi.json`.

An error is `{"error": a short name, "detail": a sentence}`.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import TypeVar

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.export import as_curl
from dingda.simulator.dingtalk.faults import FaultSettings
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.robots import UnknownRobotError
from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import Burst, UserMessage
from dingda.simulator.errors import CallbackUnansweredError
from dingda.simulator.http.callback_sender import Sender
from dingda.simulator.http.delivery import Delivery
from dingda.simulator.http.events import Events, Feed
from dingda.simulator.http.schema import describe
from dingda.simulator.inspections import Inspections

T = TypeVar("T")

MAX_WAIT_S = 60.0
_BETWEEN_S = 0.002
"""How far apart the messages of a burst are sent: the gateway takes few with one signature, and
those of one millisecond have the same."""


class ApiError(Exception):
    """A request to the API that fails; `name` is for programs, `detail` for people."""

    def __init__(self, status: HTTPStatus, name: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail


def api_routes(
    dingtalk: Simulation,
    callback_sender: Sender,
    delivery: Delivery,
    changes: ChangeNotifier,
    feed: Feed,
    inspections: Inspections,
) -> list[BaseRoute]:
    """Build the API's routes.

    Args:
        dingtalk: the simulation.
        callback_sender: knows where the bot is.
        delivery: brings the callbacks to the bot.
        changes: wakes the requests that wait for a change.
        feed: what the events tell besides records and faults.
        inspections: what workers tell of their work.
    """
    endpoints = _Endpoints(dingtalk, callback_sender, delivery, changes, inspections)
    views = {"bad_day": lambda: dingtalk.faults, **feed.views}
    events = Events(dingtalk.records, views, changes, feed.logs)
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
        callback_sender: Sender,
        delivery: Delivery,
        changes: ChangeNotifier,
        inspections: Inspections,
    ) -> None:
        self._delivery = delivery
        self._dingtalk = dingtalk
        self._inspections = inspections
        self._callback_sender = callback_sender
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
        return PlainTextResponse(
            as_curl(self._signed_again(request), self._callback_sender.callback_url)
        )

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


@contextmanager
def as_api_errors() -> Iterator[None]:
    """Raise what hinders a message as an `ApiError`, in a `with` block."""
    try:
        yield
    except UnknownRobotError as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "request", str(error)) from None
    except CallbackUnansweredError as error:
        raise ApiError(HTTPStatus.BAD_GATEWAY, "gateway", str(error)) from None


def check_is_open(changes: ChangeNotifier) -> None:
    """See that the server is not being stopped, which ends the requests that wait.

    Raises:
        ApiError: if it is.
    """
    if changes.closed:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "closing", "The simulator is being stopped.")


def error_response(_: Request, error: Exception) -> Response:
    """Turn an error into the JSON that clients read."""
    if isinstance(error, ApiError):
        return JSONResponse({"error": error.name, "detail": error.detail}, error.status)
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "internal error"
    return JSONResponse({"error": "http", "detail": detail}, status)


def found(value: T | None) -> T:
    """What belongs to a message.

    Raises:
        ApiError: if there is none, because there is no such message.
    """
    if value is None:
        raise ApiError(
            HTTPStatus.NOT_FOUND,
            "unknown_message",
            "No message has this msgId, or it is so old that it has been forgotten.",
        )
    return value


def check_json(request: Request) -> None:
    """See that a request says that its body is JSON.

    Raises:
        ApiError: if it does not.
    """
    # A web page elsewhere can make a browser POST here, but not as JSON without being asked first.
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "request", "The body must be application/json."
        )


async def read_body(request: Request, parse: Callable[[bytes], T]) -> T:
    """Read a request's JSON body.

    Raises:
        ApiError: if the body is not what it should be; it names the field.
    """
    check_json(request)
    try:
        return parse(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        why = first["msg"].removeprefix("Value error, ")
        raise ApiError(HTTPStatus.BAD_REQUEST, "request", f"{place}: {why}.") from None


def read_flag(request: Request, name: str) -> bool:
    """A parameter of a request that is 0, as if it were left out, or 1.

    Raises:
        ApiError: if it is anything else.
    """
    value = request.query_params.get(name, "0")
    if value not in ("0", "1"):
        raise ApiError(HTTPStatus.BAD_REQUEST, "request", f"{name}: must be 0 or 1.")
    return value == "1"


def read_wait_s(request: Request) -> float:
    """How many seconds a request wants to wait.

    Raises:
        ApiError: if it says so in a wrong way, or wants to wait too long.
    """
    try:
        wait_s = float(request.query_params.get("wait_s", "0"))
    except ValueError:
        wait_s = -1.0
    if not 0 <= wait_s <= MAX_WAIT_S:
        raise ApiError(
            HTTPStatus.BAD_REQUEST, "request", f"wait_s: must be a number from 0 to {MAX_WAIT_S:g}."
        )
    return wait_s


async def _healthy(_: Request) -> Response:
    return JSONResponse({"alive": True})


async def _describe(_: Request) -> Response:
    return JSONResponse(describe())


def _show(record: Record) -> Response:
    return Response(record.to_json(), media_type="application/json")
