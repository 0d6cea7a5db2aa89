"""The gateways that people would write with Starlette: a bare route, and one for each queue."""

import hashlib
import importlib
import json
import os
import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from dingda.shared.dingtalk.signature import verify

_EMPTY = {"msgtype": "empty"}
_PATH = "/dd_robot/"


def bare() -> Starlette:
    """A route that answers always the same."""

    async def callback(_: Request) -> JSONResponse:
        return JSONResponse(_EMPTY)

    return Starlette(routes=[Route(_PATH, callback, methods=["POST"])])


def queueing() -> Starlette:
    """Checks the signature, parses the body, and enqueues with the module in BENCH_BASELINE."""
    enqueue = importlib.import_module(os.environ["BENCH_BASELINE"]).enqueue
    secret = os.environ["BENCH_SECRET"]

    async def callback(request: Request) -> JSONResponse:
        verify(
            request.headers["timestamp"].encode(),
            request.headers["sign"].encode(),
            secrets=(secret,),
            now_ms=time.time_ns() // 1_000_000,
        )
        message = json.loads(await request.body())
        message_id = hashlib.sha256(message["msgId"].encode()).hexdigest()
        await enqueue(message_id, message["sessionWebhook"])
        return JSONResponse(_EMPTY)

    return Starlette(routes=[Route(_PATH, callback, methods=["POST"])])
