"""The simulator over HTTP: DingTalk's side for the bot, and a small JSON API for people's clients.

    POST /robot/sendBySession?session=…  a reply; answered with DingTalk's errcodes
    POST /api/messages                   say something: {"text", "sender"?, "single"?, "published"?}
    GET  /api/messages/{msgId}           what became of it; `?wait_s=5` waits for a reply to show
    GET  /api/health

An API error is `{"error": a short name, "detail": a sentence}`.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.callback import Said
from simulator.changes import Changes
from simulator.courier import Courier
from simulator.dingtalk import DingTalk
from simulator.errors import CallbackUnansweredError
from simulator.record import Record
from simulator.verdict import NEEDS_POST, OK, Verdict

logger = logging.getLogger(__name__)

MAX_WAIT_S = 60.0


class ApiError(Exception):
    """A request to the API that fails; `name` is for programs, `detail` for people."""

    def __init__(self, status: HTTPStatus, name: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail


def create_app(*, dingtalk: DingTalk, courier: Courier, changes: Changes) -> Starlette:
    """Build the simulator's server.

    Args:
        dingtalk: what is played.
        courier: takes the callbacks to the gateway; the application closes it when it ends.
        changes: wakes who waits for a reply; close it before the server stops.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await courier.aclose()

    endpoints = _Endpoints(dingtalk, courier, changes)
    app = Starlette(
        routes=[
            Route("/robot/sendBySession", endpoints.take_reply, methods=["GET", "POST"]),
            Route("/api/messages", endpoints.send_message, methods=["POST"]),
            # A msgId holds slashes, and they arrive decoded.
            Route("/api/messages/{msg_id:path}", endpoints.show_message),
            Route("/api/health", _healthy),
        ],
        lifespan=lifespan,
        exception_handlers={ApiError: _in_words, HTTPException: _in_words},
    )
    app.router.redirect_slashes = False
    return app


class _Endpoints:
    def __init__(self, dingtalk: DingTalk, courier: Courier, changes: Changes) -> None:
        self._dingtalk = dingtalk
        self._courier = courier
        self._changes = changes

    async def take_reply(self, request: Request) -> Response:
        if request.method != "POST":
            return _answer(NEEDS_POST)
        verdict = self._dingtalk.reply(
            request.query_params.get("session", ""),
            content_type=request.headers.get("content-type", ""),
            body=await request.body(),
        )
        if verdict != OK:
            logger.warning("refused a reply: errcode %d, %s", verdict.errcode, verdict.errmsg)
        await self._changes.announce()
        return _answer(verdict)

    async def send_message(self, request: Request) -> Response:
        said = await _read_said(request)
        callback = self._dingtalk.send(said)
        try:
            answer = await self._courier.deliver(callback)
        except CallbackUnansweredError as error:
            self._dingtalk.undelivered(callback.msg_id, str(error))
            await self._changes.announce()
            logger.warning("message %s: %s", callback.msg_id, error)
            raise ApiError(HTTPStatus.BAD_GATEWAY, "gateway", str(error)) from None
        self._dingtalk.acknowledged(callback.msg_id, status=answer.status, body=answer.body)
        logger.info("message %s: answered with status %d", callback.msg_id, answer.status)
        await self._changes.announce()
        return _show(self._record(callback.msg_id))

    async def show_message(self, request: Request) -> Response:
        msg_id = request.path_params["msg_id"]
        await self._settled(msg_id, _read_wait_s(request))
        return _show(self._record(msg_id))

    def _record(self, msg_id: str) -> Record:
        record = self._dingtalk.record(msg_id)
        if record is None:
            raise ApiError(
                HTTPStatus.NOT_FOUND,
                "unknown_message",
                "No message has this msgId, or it is so old that it has been forgotten.",
            )
        return record

    async def _settled(self, msg_id: str, wait_s: float) -> None:
        def is_settled() -> bool:
            record = self._dingtalk.record(msg_id)
            return record is None or record.settled

        await self._changes.wait_until(is_settled, wait_s=wait_s)
        if self._changes.closed and not is_settled():
            raise ApiError(
                HTTPStatus.SERVICE_UNAVAILABLE, "closing", "The simulator is being stopped."
            )


async def _read_said(request: Request) -> Said:
    # A web page elsewhere can make a browser POST here, but not as JSON without being asked first.
    if (
        request.headers.get("content-type", "").partition(";")[0].strip().lower()
        != "application/json"
    ):
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "request", "The body must be application/json."
        )
    try:
        return Said.from_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise ApiError(HTTPStatus.BAD_REQUEST, "request", f"{place}: {first['msg']}.") from None


def _read_wait_s(request: Request) -> float:
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


def _answer(verdict: Verdict) -> Response:
    return JSONResponse({"errcode": verdict.errcode, "errmsg": verdict.errmsg})


def _show(record: Record) -> Response:
    return Response(record.to_json(), media_type="application/json")


def _in_words(_: Request, error: Exception) -> Response:
    if isinstance(error, ApiError):
        return JSONResponse({"error": error.name, "detail": error.detail}, error.status)
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "internal error"
    return JSONResponse({"error": "http", "detail": detail}, status)
