"""DingTalk's side of Stream mode: connections, pushes, acks and redeliveries. It has no sockets."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

from dingda.simulator.dingtalk.stream_connection import (
    AckKind,
    StreamConnection,
    Wire,
    stale_connection,
)
from dingda.simulator.dingtalk.stream_faults import NO_STREAM_FAULTS, REFUSALS, StreamFaults
from dingda.simulator.dingtalk.stream_frames import (
    Outcome,
    Push,
    StreamAck,
    Undelivered,
    disconnect,
    is_taken,
    parse_ack,
    ping,
)
from dingda.simulator.dingtalk.stream_opening import (
    Opening,
    OpenRefusal,
    Tickets,
    check_opening,
)
from dingda.simulator.dingtalk.stream_rules import DEFAULT_RULES, StreamRules
from dingda.simulator.dingtalk.stream_state import AckClock, Mode, StreamState, connection_state

_PING_JITTER = 0.2


class Stream:
    """The Stream connections of some applications, and what is pushed to them.

    What takes time is timed by the running event loop, whose clock a test can replace.

    Args:
        apps: the secrets of each application, by client id (its AppKey).
        rng: chooses connections, and makes ids and tickets: `SystemRandom` but in tests.
        now_ms: the clock of the frames, in ms since 1970.
        now_s: the clock that tickets and acks are timed by, in seconds; it never goes back.
        rules: the server's times.
        mode: whether the user's messages go out here; it is only told on.
    """

    def __init__(
        self,
        apps: Mapping[str, Collection[str]],
        *,
        rng: Random,
        now_ms: Callable[[], int],
        now_s: Callable[[], float],
        rules: StreamRules = DEFAULT_RULES,
        mode: Mode = "stream",
    ) -> None:
        self._apps = apps
        self._rng = rng
        self._now_ms = now_ms
        self._now_s = now_s
        self._rules = rules
        self._mode = mode
        self._tickets = Tickets(now_s=now_s, new_ticket=self._uuid, life_s=rules.ticket_life_s)
        self._connections: dict[str, StreamConnection] = {}
        self._faults = NO_STREAM_FAULTS
        self._tasks: set[asyncio.Task[None]] = set()
        self._totals = Counter[str]()
        self._ack_clock = AckClock()

    def open(self, fields: Mapping[str, Any] | None) -> str | OpenRefusal:
        """Answer a request to open a connection: with a ticket, or with an error.

        Args:
            fields: the request's body; None if it is no JSON object.
        """
        fault = self._faults.open
        if fault and fault in REFUSALS:
            return REFUSALS[fault]
        opening = check_opening(fields, self._apps)
        return self._tickets.issue(opening) if isinstance(opening, Opening) else opening

    def connect(self, ticket: str, wire: Wire) -> StreamConnection | None:
        """Begin a connection; None if the ticket is unknown, used or too old."""
        opening = self._tickets.redeem(ticket)
        if opening is None:
            return None
        connection = StreamConnection(self._uuid(), opening, wire, since_ms=self._now_ms())
        self._connections[connection.id] = connection
        self._spawn(self._keep_alive(connection))
        return connection

    def receive(self, connection: StreamConnection, text: str) -> None:
        """Take what a client sent."""
        ack = parse_ack(text)
        kind = connection.settle(ack) if ack else "invalid"
        if kind is not AckKind.EXPECTED:
            self._totals[kind] += 1

    def disconnected(self, connection: StreamConnection) -> None:
        """Note that a client's socket is gone, whoever closed it."""
        if self._faults.ignores_closes and connection.id in self._connections:
            connection.deserted = True
        else:
            self._connections.pop(connection.id, None)

    async def deliver(
        self,
        client_id: str,
        push: Push,
        *,
        on_redelivery: Callable[[Outcome], Awaitable[None]] | None = None,
    ) -> Outcome:
        """Push to one of an application's connections, and wait for the ack.

        What is not taken comes again, after this has returned.

        Args:
            client_id: the application.
            push: what to push.
            on_redelivery: called with what each redelivery ended with.
        """
        self._totals["pushed"] += 1
        outcome = await self._push(client_id, push)
        if not is_taken(outcome):
            self._spawn(self._redeliver(client_id, push, on_redelivery))
        return outcome

    def disconnect(self, reason: str) -> int:
        """Tell every connection to disconnect, and return how many there were.

        DingTalk: it gets nothing more from then on, and is cut after 10 s.
        """
        told = [each for each in self._connections.values() if not each.told]
        for connection in told:
            connection.told = True
            self._send(connection, disconnect(reason))
            self._spawn(self._cut_later(connection))
        return len(told)

    def cut(self) -> int:
        """Cut every TCP connection without a word, and return how many there were."""
        cut = list(self._connections.values())
        for connection in cut:
            self._drop(connection)
        return len(cut)

    @property
    def faults(self) -> StreamFaults:
        """What goes wrong at present."""
        return self._faults

    @faults.setter
    def faults(self, faults: StreamFaults) -> None:
        if faults.zombie != self._faults.zombie:
            for connection in self._connections.values():
                connection.zombie = faults.zombie
        if faults.stale != self._faults.stale:
            self._have_stale(faults.stale)
        self._faults = faults

    @property
    def state(self) -> StreamState:
        """The connections and the totals."""
        totals = self._totals
        return StreamState(
            mode=self._mode,
            connections=tuple(map(connection_state, self._connections.values())),
            pushed=totals["pushed"],
            acked=totals["acked"],
            redelivered=totals["redelivered"],
            lost=totals["lost"],
            late=totals[AckKind.LATE],
            second=totals[AckKind.SECOND],
            unknown=totals[AckKind.UNKNOWN],
            invalid=totals["invalid"],
            unanswered_pings=totals["unanswered_pings"],
            ack_ms=self._ack_clock.read(),
        )

    async def close(self) -> None:
        """End what goes on in the background; what was to come again is forgotten."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _push(self, client_id: str, push: Push) -> Outcome:
        """Push to a connection that is picked at random, as DingTalk does."""
        candidates = [
            each
            for each in self._connections.values()
            if each.opening.client_id == client_id and each.takes(push)
        ]
        if not candidates:
            return Undelivered.NO_CONNECTION
        return await self._push_to(self._rng.choice(candidates), push)

    async def _push_to(self, connection: StreamConnection, push: Push) -> Outcome:
        began_s = self._now_s()
        connection.pushed += 1
        message_id = self._message_id()
        acknowledged = connection.expect_ack(message_id)
        frame = push.to_frame(
            message_id=message_id, now_ms=self._now_ms(), connection_id=connection.id
        )
        if delay_ms := self._faults.delay_ms:
            asyncio.get_running_loop().call_later(delay_ms / 1000, connection.send, frame)
        else:
            connection.send(frame)
        try:
            async with asyncio.timeout(self._rules.ack_timeout_s):
                ack = await acknowledged
        except TimeoutError:
            connection.give_up(message_id)
            return Undelivered.NO_ACK
        if self._faults.lost_acks:
            self._faults = replace(self._faults, lost_acks=self._faults.lost_acks - 1)
            return Undelivered.NO_ACK
        self._ack_clock.note((self._now_s() - began_s) * 1000)
        if ack.taken:
            connection.acked += 1
            self._totals["acked"] += 1
        return ack

    async def _redeliver(
        self,
        client_id: str,
        push: Push,
        on_redelivery: Callable[[Outcome], Awaitable[None]] | None,
    ) -> None:
        for _ in range(self._rules.redeliveries):
            await asyncio.sleep(self._rules.redeliver_after_s)
            self._totals["redelivered"] += 1
            outcome = await self._push(client_id, push)
            if on_redelivery:
                await on_redelivery(outcome)
            if is_taken(outcome):
                return
        self._totals["lost"] += 1

    async def _keep_alive(self, connection: StreamConnection) -> None:
        """Ping a connection as long as it answers, and cut it once it does not."""
        pinged: tuple[str, asyncio.Future[StreamAck]] | None = None
        while True:
            jitter = self._rng.uniform(1 - _PING_JITTER, 1 + _PING_JITTER)
            await asyncio.sleep(self._rules.ping_every_s * jitter)
            if connection.told or connection.id not in self._connections:
                return
            if pinged and not _echoes(*pinged):
                self._totals["unanswered_pings"] += 1
                self._drop(connection)
                return
            pinged = None
            if not connection.zombie:
                opaque = self._uuid()
                pinged = opaque, self._send(connection, ping(opaque))

    def _have_stale(self, count: int) -> None:
        for connection in [each for each in self._connections.values() if each.stale]:
            del self._connections[connection.id]
        for client_id in self._apps:
            for _ in range(count):
                connection = stale_connection(self._uuid(), client_id, since_ms=self._now_ms())
                self._connections[connection.id] = connection

    async def _cut_later(self, connection: StreamConnection) -> None:
        await asyncio.sleep(self._rules.cut_after_s)
        self._drop(connection)

    def _send(self, connection: StreamConnection, push: Push) -> "asyncio.Future[StreamAck]":
        message_id = self._message_id()
        answer = connection.expect_ack(message_id)
        connection.send(push.to_frame(message_id=message_id, now_ms=self._now_ms()))
        return answer

    def _drop(self, connection: StreamConnection) -> None:
        self._connections.pop(connection.id, None)
        connection.cut()

    def _message_id(self) -> str:
        return f"{self._rng.getrandbits(32):08x}_{self._rng.getrandbits(64):016x}"

    def _uuid(self) -> str:
        return str(UUID(int=self._rng.getrandbits(128), version=4))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _echoes(opaque: str, answer: "asyncio.Future[StreamAck]") -> bool:
    return answer.done() and answer.result().data == {"opaque": opaque}
