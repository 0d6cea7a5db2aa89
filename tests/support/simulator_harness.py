"""A clock, and a bot behind a simulator, in this process."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dingda.shared.dingtalk.robots import Robot
from dingda.shared.dingtalk.signature import verify
from dingda.shared.ledger.worker_report import WorkerReport
from dingda.simulator.dingtalk.callback import ROBOT_CODE

SECRET = "a secret"
ROBOTS = (Robot(ROBOT_CODE, secrets=(SECRET,)),)
SIMULATOR_URL = "http://simulator.test"
CALLBACK_URL = "http://gateway.test/dd_robot/"
NOW_MS = 1_700_000_000_000


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


class FakeWorkers:
    """What Redis says of the workers, in place of a Redis."""

    def __init__(self) -> None:
        self.alive: list[WorkerReport] = []
        self.error: Exception | None = None

    async def read(self) -> list[WorkerReport]:
        if self.error:
            raise self.error
        return self.alive


class Bot:
    """A gateway with a given response, and a worker that POSTs given replies."""

    def __init__(self, clock: Clock, robots: Sequence[Robot] = ROBOTS) -> None:
        self.clock = clock
        self._secrets = [secret for robot in robots for secret in robot.secrets]
        self.callbacks: list[dict[str, Any]] = []
        self.response: Response = JSONResponse({"msgtype": "empty"})
        self.replies: list[object] = []
        self.respond_after_s = 0.0
        self._posting: set[asyncio.Task[None]] = set()
        self.app = Starlette(routes=[Route("/dd_robot/", self._receive, methods=["POST"])])
        self.transport: httpx.AsyncBaseTransport | None = None
        """httpx's, for the replies; None for the network."""

    async def has_received_any(self) -> bool:
        return bool(self.callbacks)

    async def _receive(self, request: Request) -> Response:
        verify(
            request.headers["timestamp"].encode(),
            request.headers["sign"].encode(),
            secrets=self._secrets,
            now_ms=self.clock(),
        )
        callback = await request.json()
        self.callbacks.append(callback)
        await asyncio.sleep(self.respond_after_s)
        posting = asyncio.create_task(self._post(callback["sessionWebhook"]))
        self._posting.add(posting)
        return self.response

    async def _post(self, session_webhook: str) -> None:
        async with httpx.AsyncClient(transport=self.transport, trust_env=False) as client:
            for reply in self.replies:
                self.clock.now_ms += 40
                await client.post(session_webhook, json=reply)
