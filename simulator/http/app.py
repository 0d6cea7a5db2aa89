"""The simulator over HTTP: DingTalk's side for the bot, an API for programs, a page for people.

POST /robot/sendBySession?session=…  a reply; answered with DingTalk's errcodes
POST /robot/send?access_token=…      a message of a custom robot, answered likewise
/openapi/…, /open-meteo/…            other services, see `simulator.backends`
/oss/…                               files that the bot may fetch for a while
/openapi/v1.0/gateway/…, /connect    Stream mode, see `simulator.http.stream`
/api/…                               see `simulator.http.api` and `/openapi.json`
/                                    see `simulator.page`
"""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from dingda.shared.runtime.inspection_file import InspectionReader
from dingda.shared.runtime.known_hosts import KnownHosts
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.custom_robot import CustomRobot
from dingda.simulator.dingtalk.faults import HANG_S, RETRY_AFTER_S, ReplyFault
from dingda.simulator.dingtalk.rules import NEEDS_POST, OK, ReplyVerdict
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.http.api import api_routes
from dingda.simulator.http.api_requests import ApiError, error_response
from dingda.simulator.http.delivery import Delivery
from dingda.simulator.http.events import Feed, View
from dingda.simulator.inspections import Inspections
from dingda.simulator.page import page_routes
from dingda.simulator.watch import LedgerWatch

logger = logging.getLogger(__name__)

NO_FEED = Feed()


def create_app(  # noqa: PLR0913 - a room's parts, each by its name
    *,
    dingtalk: Simulation,
    delivery: Delivery,
    changes: ChangeNotifier,
    watch: LedgerWatch | None = None,
    inspections: Inspections | None = None,
    routes: Sequence[BaseRoute] = (),
    feed: Feed = NO_FEED,
    hosts: Collection[str] = (),
) -> Starlette:
    """Build the simulator's server.

    Args:
        dingtalk: the simulation.
        delivery: brings the messages to the bot; closed with the application.
        changes: wakes waiting requests; close it before the server stops.
        watch: reads the ledger, where there is one.
        inspections: what workers report of their work; None: nothing.
        routes: Stream mode's, a custom robot's, and those of fakes of other services.
        feed: what the events send besides records, faults and skills.
        hosts: the only names that it answers to; none for any name.
    """
    inspections = inspections or Inspections(InspectionReader(None), dingtalk.records, changes)
    own: dict[str, View] = {
        "bad_day": lambda: dingtalk.faults,
        "skills": lambda: inspections.skills,
    }
    feed = replace(feed, views=own | dict(feed.views))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        watching = [asyncio.create_task(each.run()) for each in (watch, inspections) if each]
        yield
        for each in watching:
            each.cancel()
        await delivery.aclose()

    app = Starlette(
        routes=[
            Route(
                "/robot/sendBySession",
                _ReplyEndpoint(dingtalk, changes).receive,
                methods=["GET", "POST"],
            ),
            *routes,
            *api_routes(dingtalk, delivery, changes, feed, inspections),
            *page_routes(),
        ],
        middleware=[Middleware(KnownHosts, hosts=hosts)] if hosts else [],
        lifespan=lifespan,
        exception_handlers={ApiError: error_response, HTTPException: error_response},
    )
    app.router.redirect_slashes = False
    return app


def custom_robot_route(robot: CustomRobot, changes: ChangeNotifier) -> Route:
    """Build the route of a custom robot's webhook."""

    async def receive(request: Request) -> Response:
        verdict = robot.receive(
            request.query_params,
            content_type=request.headers.get("content-type", ""),
            body=await request.body(),
        )
        await changes.announce()
        return _verdict_response(verdict)

    return Route("/robot/send", receive, methods=["POST"])


class _ReplyEndpoint:
    """Takes the replies as DingTalk does, with the faults that are on."""

    def __init__(self, dingtalk: Simulation, changes: ChangeNotifier) -> None:
        self._dingtalk = dingtalk
        self._changes = changes

    async def receive(self, request: Request) -> Response:
        if request.method != "POST":
            return _verdict_response(NEEDS_POST)
        body = await request.body()
        fault = self._dingtalk.faults.replies
        verdict = self._dingtalk.reply(
            request.query_params.get("session", ""),
            content_type=request.headers.get("content-type", ""),
            body=body,
        )
        if verdict != OK:
            logger.warning("refused a reply: errcode %d, %s", verdict.errcode, verdict.errmsg)
        await self._changes.announce()
        return await self._respond(verdict, fault)

    async def _respond(self, verdict: ReplyVerdict, fault: ReplyFault | None) -> Response:
        match fault:
            case ReplyFault.FAIL:
                return _failure(HTTPStatus.INTERNAL_SERVER_ERROR)
            case ReplyFault.UNAVAILABLE:
                return _failure(HTTPStatus.SERVICE_UNAVAILABLE, {"retry-after": str(RETRY_AFTER_S)})
            case ReplyFault.GATEWAY:
                return _failure(HTTPStatus.BAD_GATEWAY)
            case ReplyFault.PACKED:
                return _packed(_verdict_response(verdict))
            case ReplyFault.HANG:
                await self._changes.wait_until(lambda: False, wait_s=HANG_S)
                return _TruncatedResponse()
            case ReplyFault.CLOSE:
                return _TruncatedResponse()
            case _:
                return _verdict_response(verdict)


class _TruncatedResponse(Response):
    """Begins a response and never ends it: the server closes the connection and logs it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"content-type", b"application/json"), (b"content-length", b"27")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": True})


def _failure(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(status.phrase, status, headers)


def _packed(response: Response) -> Response:
    headers = {"content-encoding": "gzip"}
    media_type = response.media_type
    return Response(gzip.compress(bytes(response.body)), headers=headers, media_type=media_type)


def _verdict_response(verdict: ReplyVerdict) -> Response:
    return JSONResponse({"errcode": verdict.errcode, "errmsg": verdict.errmsg})
