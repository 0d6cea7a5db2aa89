"""The part of the simulator's API that a terminal follows: a message, what came after, the workers.

GET /api/messages/{msgId}/exchange?after=&wait_s=  Exchange, once anything has changed
GET /api/workers                                   Workers
"""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dingda.shared.ledger.worker_report import WorkerReport
from dingda.simulator.dingtalk.cards import Cards
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.exchange import Workers, exchange_of, latest_revision
from dingda.simulator.dingtalk.record_store import RecordStore
from dingda.simulator.http.api_requests import ApiError, check_is_open, found, read_wait_s

_REVISION = re.compile(r"-?[0-9]{1,18}")
ReadWorkers = Callable[[], Awaitable[list[WorkerReport]]]


def exchange_routes(records: RecordStore, cards: Cards, changes: ChangeNotifier) -> list[BaseRoute]:
    """Build the route that follows a message; before that of its record, whose path holds it."""

    async def show(request: Request) -> Response:
        after = _read_revision(request)
        wait_s = read_wait_s(request)
        await changes.wait_until(lambda: latest_revision(records, cards) > after, wait_s=wait_s)
        check_is_open(changes)
        exchange = found(exchange_of(request.path_params["msg_id"], records, cards))
        return Response(exchange.to_json(), media_type="application/json")

    return [Route("/api/messages/{msg_id:path}/exchange", show, methods=["GET"])]


def worker_routes(read: ReadWorkers, *, supervised: bool) -> list[BaseRoute]:
    """Build the route that shows the workers.

    Args:
        read: reads their reports; may raise what the Redis client raises.
        supervised: whether each that ends is started again.
    """

    async def show(_: Request) -> Response:
        try:
            workers = Workers(known=True, alive=tuple(await read()), supervised=supervised)
        except (RedisError, OSError):
            workers = Workers(known=False, supervised=supervised)
        return Response(workers.to_json(), media_type="application/json")

    return [Route("/api/workers", show, methods=["GET"])]


def _read_revision(request: Request) -> int:
    revision = request.query_params.get("after", "-1")
    if not _REVISION.fullmatch(revision):
        raise ApiError(HTTPStatus.BAD_REQUEST, "request", "after: must be a revision.")
    return int(revision)
