"""The demo's control: how its processes are, what became of all messages, and how to disturb it."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.states import MessageState
from dingda.shared.ledger.stored import whole_number
from dingda.simulator.demo.supervisor import ProcessState, SupervisedProcess, Supervisor
from dingda.simulator.demo.tally import Numbers, Tally
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.http.api_requests import ApiError, read_body
from dingda.simulator.http.events import View
from dingda.simulator.http.extension import SimulatorParts

logger = logging.getLogger(__name__)

_KINDS = {"worker": ("worker",), "gateway": ("gateway", "stream")}
"""The kinds of processes that may be killed; `dingda stream` is the gateway of Stream mode."""


@dataclass(frozen=True, slots=True)
class DemoState:
    """The demo's processes and numbers."""

    processes: tuple[ProcessState, ...]
    numbers: Numbers

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _STATE.dump_json(self)


@dataclass(frozen=True, slots=True)
class Kill:
    """Which process to kill."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    what: Literal["worker", "gateway"]


@dataclass(frozen=True, slots=True)
class StopRedis:
    """For how many seconds to stop Redis."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    seconds: Annotated[float, Field(ge=1, le=60)] = 5.0


@dataclass(frozen=True, slots=True)
class InterruptedMessage:
    """A message that a worker was answering when it was killed."""

    msg_id: str
    lease_ends_ms: int | None
    """When its lease runs out, in ms since 1970: another worker takes it up within two seconds of
    that. None if it is not known."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A process that was killed or stopped."""

    name: str
    pid: int
    messages: tuple[InterruptedMessage, ...] = ()
    """What it was answering."""

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _STOPPED.dump_json(self)


_STATE = TypeAdapter(DemoState)
_KILL = TypeAdapter(Kill)
_STOP_REDIS = TypeAdapter(StopRedis)
_STOPPED = TypeAdapter(Stopped)


class DemoControl:
    """Runs the demo's processes, and serves what shows and disturbs them.

    Args:
        supervisor: runs the processes.
        parts: the simulator's parts.
    """

    supervises_workers = True

    def __init__(self, supervisor: Supervisor, parts: SimulatorParts) -> None:
        self._supervisor = supervisor
        self._records = parts.dingtalk.records
        self._ledger = parts.ledger
        self._queue = parts.queue
        self._changes = parts.changes
        self._tally = Tally(self._records, parts.watch.unknown)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """What the API has in the demo alone."""
        return [
            Route("/api/demo", self._show, methods=["GET"]),
            Route("/api/demo/kill", self._kill, methods=["POST"]),
            Route("/api/demo/stop-redis", self._stop_redis, methods=["POST"]),
        ]

    @property
    def views(self) -> dict[str, View]:
        """What the events tell of it."""
        return {"demo": self.state}

    def state(self) -> DemoState:
        """How the processes are, and the numbers."""
        processes = tuple(process.state for process in self._supervisor.processes)
        return DemoState(processes, self._tally.count())

    async def run(self) -> int:
        """Run the processes until `stop`, or until one cannot run at all: its exit status."""
        counting = asyncio.create_task(self._tally.follow(self._changes))
        try:
            return await self._supervisor.run()
        finally:
            counting.cancel()

    async def stop(self) -> None:
        """Stop the processes."""
        await self._supervisor.stop()

    async def _show(self, _: Request) -> Response:
        return Response(self.state().to_json(), media_type="application/json")

    async def _kill(self, request: Request) -> Response:
        what = (await read_body(request, _KILL.validate_json)).what
        running = [
            process
            for kind in _KINDS[what]
            for process in self._supervisor.of_kind(kind)
            if process.state.pid
        ]
        holders = await self._holders(running) if what == "worker" else {}
        process = next(iter(holders), None) or next(iter(running), None)
        pid = process.kill() if process else None
        if process is None or pid is None:
            raise ApiError(HTTPStatus.CONFLICT, "down", f"No {what} is running at present.")
        logger.warning("killed %s (pid %d)", process.name, pid)
        messages = await self._interrupted(holders.get(process, []))
        return _respond(Stopped(process.name, pid, messages))

    async def _stop_redis(self, request: Request) -> Response:
        seconds = (await read_body(request, _STOP_REDIS.validate_json)).seconds
        (process,) = self._supervisor.of_kind("redis")
        pid = process.stop_for(seconds) if process.state.pid else None
        if pid is None:
            raise ApiError(HTTPStatus.CONFLICT, "down", "Redis is not running at present.")
        return _respond(Stopped(process.name, pid))

    async def _holders(
        self, workers: Sequence[SupervisedProcess]
    ) -> dict[SupervisedProcess, list[Record]]:
        """The workers that are answering a message now, the one with the newest first."""
        held = [record for record in self._records.since(0) if _is_held(record)]
        pids = {name: await self._pid_of(name) for name in {_worker_of(record) for record in held}}
        holders: dict[SupervisedProcess, list[Record]] = {}
        for record in reversed(held):
            pid = pids[_worker_of(record)]
            for worker in workers:
                if pid is not None and worker.owns(pid):
                    holders.setdefault(worker, []).append(record)
        return holders

    async def _pid_of(self, worker: str) -> int | None:
        """The process id of a worker, by RQ's name; None if RQ does not know it."""
        try:
            found = await self._ledger.hget(f"{self._queue.worker_prefix}{worker}", "pid")
        except (RedisError, OSError):
            return None
        return whole_number(found)

    async def _interrupted(self, records: Sequence[Record]) -> tuple[InterruptedMessage, ...]:
        due = LedgerKeys(self._queue.name).due
        try:
            ends = [await self._ledger.zscore(due, record.ledger_id or "") for record in records]
        except (RedisError, OSError):
            ends = [None] * len(records)
        return tuple(
            InterruptedMessage(record.msg_id, None if end is None else round(end))
            for record, end in zip(records, ends, strict=True)
        )


def _is_held(record: Record) -> bool:
    story = record.story
    return story is not None and story.state == MessageState.LEASED and bool(story.worker)


def _worker_of(record: Record) -> str:
    return record.story.worker if record.story else ""


def _respond(stopped: Stopped) -> Response:
    return Response(stopped.to_json(), media_type="application/json")
