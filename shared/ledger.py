"""The ledger: the truth about every message, in Redis. RQ only dispatches.

A message is `accepted`, then `leased` by one worker, then `sending` while its reply is on the wire,
then ended: `answered`, `unmatched`, `refused` or `dead`. From `leased` it goes back to `accepted`
when a worker hands it back or dies, or its turn has not come. From `sending` it goes back to
`accepted` when its reply was not shown for now, and to `leased` between two parts of a reply. A
death while `sending` ends it, for the reply may have been shown.

Each step is one atomic script (see `shared/lua`; `common.lua` lists all keys), and every step after
the lease shows the lease's token, so a worker that was paused while another took over can do no
more harm. At every moment `accepted = answered + unmatched + refused + dead + open`.

Messages of one sender in one conversation stand in a line, in the order in which they were accepted
(see `shared/lua/common.lua`). A worker that leases one is told whether it is the first; if not, and
its skill does not overtake, `park` puts it back until the one before it has ended, whichever worker
that was with.
"""

import logging
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError, ResponseError

from dingda.shared.batching import ScriptBatcher
from dingda.shared.errors import LeaseLostError
from dingda.shared.logs import printable
from dingda.shared.message import Message
from dingda.shared.queue import JobQueue, job_data, rq_now
from dingda.shared.states import (
    Acceptance,
    Counts,
    DeadLetter,
    DeadReason,
    End,
    Ending,
    Failures,
    Lease,
    Prepared,
    join_reason,
)

logger = logging.getLogger(__name__)

LEASE_MS = 20_000
"""A worker that has not renewed its lease for so long is taken for dead."""
OUTCOME_MS = 20_000
"""How long the outcome of a POST may stay out before it counts as unknown."""
HANDOVER_MS = 5_000
"""How long a job may be off the queue and not leased before it is enqueued again."""
MARGIN_MS = 5_000
"""How long before the session's end the last answer may start: clocks differ."""
MAX_DEATHS = 3
"""How many workers may die over one message before it is given up."""
APART_MS = 5_000
"""How far apart messages get their last chance: those that died together would do so once more,
though only one of them is to blame. Most answers take less than this."""
LONGEST_APART_MS = 60_000
"""How long a message may wait for that, where very many have died."""
REMEMBER_S = 3 * 3600
"""How long an ended message is known, against redelivery: longer than a signature is valid."""
DEAD_LETTER_S = 7 * 24 * 3600
"""How long a dead letter is kept for an operator."""
RECHECK_MS = 10_000
"""How soon the sweeper looks again at a message that is parked as the second of its line."""
LONGEST_WAIT_MS = 5_000
"""Later messages of a sender wait for one that rests no longer than this. In a longer rest it loses
its place, or a throttled reply would keep its sender from all others until it is through."""
LONGEST_SESSION_MS = 24 * 3_600_000
"""A session's stated end is believed up to here, so that nothing is kept for ever."""
UNSTATED_SESSION_MS = 600_000
"""How long a session is taken to last when DingTalk does not say."""
SWEEP_LIMIT = 500
_MAX_DIGITS = 16
_DEAD_FIELDS = ("reason", "detail", "accepted_ms", "leases")
_SPOILT = (DeadReason.FAILED, "its record is spoilt", None, None)


class Ledger:
    """The steps of a message's life.

    Every method may raise what the Redis client raises; nothing is half done then, for each step
    is one script.

    Args:
        redis: a client that decodes responses.
        queue: the RQ queue that the messages go through.
        lease_ms, outcome_ms, handover_ms, apart_ms: the times above, shorter in tests.
    """

    def __init__(
        self,
        redis: Redis,
        queue: JobQueue,
        *,
        lease_ms: int = LEASE_MS,
        outcome_ms: int = OUTCOME_MS,
        handover_ms: int = HANDOVER_MS,
        apart_ms: int = APART_MS,
    ) -> None:
        self._redis = redis
        self._queue = queue
        self.lease_ms = lease_ms
        self._outcome_ms = outcome_ms
        self._handover_ms = handover_ms
        self._apart_ms = apart_ms
        name = queue.name
        self._count_key = f"{name}:count"
        self._dead_key = f"{name}:dead"
        self._keys = (
            *queue.keys,
            f"{name}:queued",
            f"{name}:due",
            self._dead_key,
            self._count_key,
            f"{name}:resting",
        )
        self._prefixes = (f"{name}:message:", queue.job_prefix)
        self._scripts = ScriptBatcher(redis, self._keys)
        self._accept = self._script("accept")
        self._lease = self._script("lease")
        self._renew = self._script("renew")
        self._sending = self._script("sending")
        self._next_part = self._script("next_part")
        self._notice = self._script("notice")
        self._done = self._script("done")
        self._park = self._script("park")
        self._retry = self._script("retry")
        self._sweep = self._script("sweep")
        self._requeue = self._script("requeue")
        self._revive = self._script("revive")
        self._drop = self._script("drop")

    async def accept(
        self, messages: Sequence[tuple[Message, bytes]], *, backlog_limit: int
    ) -> list[Acceptance]:
        """Record and enqueue messages that are new, all in one round trip.

        Args:
            messages: each with the body that it was parsed from.
            backlog_limit: how many messages may wait, on the queue or for another attempt.

        Returns:
            What became of each, in order.
        """
        entries: list[Any] = []
        for message, body in messages:
            expires_ms = "" if message.session_expires_ms is None else message.session_expires_ms
            data = job_data(message.id)
            entries += (message.id, body, expires_ms, data, message.ordering_key)
        outcomes = await self._run(
            self._accept,
            backlog_limit,
            LONGEST_SESSION_MS,
            UNSTATED_SESSION_MS,
            rq_now(),
            len(self._queue.fields),
            *self._queue.fields,
            *entries,
        )
        return [Acceptance(outcome) for outcome in outcomes]

    async def lease(self, message_id: str) -> Lease | str:
        """Take a message, or say in a word why it cannot be had."""
        token = secrets.token_hex(8)
        granted, *held = await self._step(
            self._lease, message_id, token, self.lease_ms, MARGIN_MS, DEAD_LETTER_S
        )
        if not granted:
            why_not, woken = held
            if why_not == "spoilt":
                _name_spoilt(message_id)
            await self._enqueue(woken)
            return str(why_not)
        payload, left_ms, attempt, failures, prepared, age_ms, is_first, was_put_back = held
        return Lease(
            id=message_id,
            token=token,
            payload=payload.encode(),
            left_ms=min(left_ms, LONGEST_SESSION_MS),
            attempt=attempt,
            failures=_failures(failures),
            prepared=_prepared(prepared),
            age_ms=age_ms,
            is_first=bool(is_first),
            was_put_back=bool(was_put_back),
        )

    async def renew(self, lease: Lease) -> None:
        """Hold on for another while.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
        """
        _still_ours(await self._step(self._renew, lease.id, lease.token, self.lease_ms))

    async def sending(self, lease: Lease) -> None:
        """Claim the right to send. Call it as late as can be: a death after it leaves `unknown`.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
        """
        claim = secrets.token_hex(8)
        arguments = (lease.id, lease.token, self._outcome_ms, claim)
        _still_ours(await self._step(self._sending, *arguments))

    async def next_part(self, lease: Lease, rest: Prepared) -> Lease:
        """Go on to the next part of a reply, when one has been delivered.

        From here on the worker that holds the message sends what is left, and asks no skill again.

        Args:
            lease: the hold on it, which was used to send.
            rest: what is left to send.

        Returns:
            The same hold, on what is left.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
        """
        arguments = (lease.id, lease.token, self.lease_ms, rest.to_json(), rest.part)
        _still_ours(await self._step(self._next_part, *arguments))
        return replace(lease, attempt=1, failures=Failures(), prepared=rest)

    async def notice(self, lease: Lease) -> bool:
        """Whether this is the first time that the asker is told to wait, and may be told."""
        return bool(await self._step(self._notice, lease.id, lease.token))

    async def done(self, lease: Lease, ending: Ending) -> None:
        """End a message.

        Raises:
            LeaseLostError: if it has been ended or taken over already.
        """
        remember_s = DEAD_LETTER_S if ending.end is End.DEAD else REMEMBER_S
        why = (ending.reason or "", ending.detail)
        arguments = (lease.id, lease.token, ending.end.value, *why, remember_s)
        await self._hand_on(await self._step(self._done, *arguments))

    async def park(self, lease: Lease) -> bool:
        """Put a message back until those before it of the same sender have ended.

        Returns:
            False if they have by now: it may go on, and the lease holds.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
        """
        parked, *woken = await self._step(self._park, lease.id, lease.token, RECHECK_MS)
        _still_ours(parked >= 0)
        await self._enqueue(*woken)
        return bool(parked)

    async def retry(
        self,
        lease: Lease,
        *,
        pause_ms: int,
        prepared: Prepared | None,
        trouble: str = "",
        reason: str = "",
    ) -> None:
        """Give a message back whose reply was not delivered, to be tried again after a pause.

        Args:
            lease: the hold on it, which ends here.
            pause_ms: how long it rests, in milliseconds.
            prepared: the reply to send then, or None to ask the skill again.
            trouble: the kind of trouble to count; "" where another reply is tried at once.
            reason: what a dead letter says should the session close first.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
        """
        kept = prepared.to_json() if prepared else ""
        failures = lease.failures.plus(trouble).to_json() if trouble else ""
        arguments = (lease.id, lease.token, pause_ms, kept, "sending", failures, reason)
        await self._hand_on(await self._step(self._retry, *arguments, LONGEST_WAIT_MS))

    async def hand_back(self, lease: Lease, *, pause_ms: int = 0) -> None:
        """Give a message back untouched, for another worker to take.

        Args:
            lease: the hold on it, which ends here.
            pause_ms: how long it rests, in milliseconds. It keeps its place in its sender's line.

        Raises:
            LeaseLostError: if it is somebody else's, or its reply may be on the wire already.
        """
        arguments = (lease.id, lease.token, pause_ms, "", "leased", "", "", LONGEST_SESSION_MS)
        await self._hand_on(await self._step(self._retry, *arguments))

    async def sweep(self) -> int:
        """Hand on what is overdue, as every worker does every two seconds.

        Returns:
            How many messages were enqueued again.
        """
        overdue, spoilt, given_up, removed = await self._run(
            self._sweep,
            SWEEP_LIMIT,
            self._handover_ms,
            MAX_DEATHS,
            DEAD_LETTER_S,
            DEAD_LETTER_S * 1000,
            RECHECK_MS,
            self._apart_ms,
            LONGEST_APART_MS,
        )
        for key in removed:
            logger.error("removed %s: it was of another kind than the ledger's", key)
        for message_id in spoilt:
            _name_spoilt(message_id)
        for message_id in given_up:
            words = "message %.8s is given up: %d workers died over it"
            logger.error(words, message_id, MAX_DEATHS)
        return int(await self._run(self._requeue, *self._jobs(overdue))) if overdue else 0

    async def dead_letters(self) -> list[DeadLetter]:
        """What an operator must see, the newest first."""
        ids: list[Any] = await self._redis.zrevrange(self._dead_key, 0, -1, withscores=True)
        prefix = self._prefixes[0]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for message_id, _ in ids:
                pipeline.hmget(f"{prefix}{message_id}", *_DEAD_FIELDS)
                pipeline.get(f"{self._queue.name}:letter:{message_id}")
            found = await pipeline.execute(raise_on_error=False)
        return [
            _dead_letter(message_id, ended_ms, record, payload)
            for (message_id, ended_ms), record, payload in zip(
                ids, found[::2], found[1::2], strict=True
            )
        ]

    async def age_s(self, message_id: str) -> float:
        """Seconds since a message was accepted, by Redis's clock; 0 if it is not known."""
        try:
            stored = await self._redis.hget(f"{self._prefixes[0]}{message_id}", "accepted_ms")
        except ResponseError:  # something else stands there
            return 0.0
        seconds, microseconds = await self._redis.time()
        accepted_ms = count_of(stored)
        return seconds + microseconds / 1e6 - accepted_ms / 1000 if accepted_ms else 0.0

    async def revive(self, message_id: str) -> str:
        """Accept a dead letter once more.

        Returns:
            `accepted`; or why not: `expired` if its session has closed, `gone` if it is not known,
            or the state that it is in.
        """
        fields = self._queue.fields
        arguments = (message_id, MARGIN_MS, job_data(message_id), rq_now(), len(fields), *fields)
        return str(await self._run(self._revive, *arguments))

    async def drop(self, message_id: str) -> bool:
        """Take a dead letter off the list and forget its words; False if there is none."""
        return bool(await self._run(self._drop, message_id))

    async def probe(self) -> None:
        """Store nothing: it raises what storing a message would raise."""
        await self.accept([], backlog_limit=1)
        await self._redis.hincrby(self._count_key, "accepted", 0)

    async def ignore(self, reason: str) -> None:
        """Count a genuine callback that there is nothing to answer to."""
        await self._redis.hincrby(self._count_key, f"ignored:{reason}", 1)

    async def counts(self) -> Counts:
        """The totals, all read at one moment."""
        stored = await self._redis.hgetall(self._count_key)
        found = {str(name): count_of(total) for name, total in stored.items()}
        return Counts(
            accepted=found.get("accepted", 0),
            answered=found.get("answered", 0),
            unmatched=found.get("unmatched", 0),
            refused=found.get("refused", 0),
            dead=_group(found, "dead:"),
            ignored=_group(found, "ignored:"),
        )

    def _script(self, name: str) -> AsyncScript:
        folder = resources.files("dingda.shared") / "lua"
        source = [(folder / f"{part}.lua").read_text("utf-8") for part in ("common", name)]
        return self._redis.register_script("\n".join(source))

    async def _hand_on(self, left: Sequence[Any]) -> None:
        """Go on after a step that may have given the next message of a line its turn."""
        granted, *woken = left
        _still_ours(granted)
        await self._enqueue(*woken)

    async def _enqueue(self, *woken: str) -> None:
        """Enqueue whose turn it is. Should that fail the next sweep does it: the step is done."""
        if ids := [message_id for message_id in woken if message_id]:
            with suppress(RedisError, OSError):
                await self._step(self._requeue, *self._jobs(ids))

    def _jobs(self, message_ids: Sequence[str]) -> tuple[Any, ...]:
        entries = [part for each in message_ids for part in (each, job_data(each))]
        return (rq_now(), len(self._queue.fields), *self._queue.fields, *entries)

    async def _step(self, script: AsyncScript, *arguments: Any) -> Any:
        """Take a step with one message, in a round trip that others may share."""
        return await self._scripts.run(script, (*self._prefixes, *arguments))

    async def _run(self, script: AsyncScript, *arguments: Any) -> Any:
        return await script(keys=self._keys, args=(*self._prefixes, *arguments))


def _still_ours(granted: Any) -> None:
    if not granted:
        raise LeaseLostError("the message is no longer this worker's")


def count_of(stored: object) -> int:
    """Read a number from a record; 0 where it is missing, or spoilt by a foreign hand."""
    text = str(stored)
    return int(text[:_MAX_DIGITS]) if text.isascii() and text.isdigit() else 0


def _prepared(stored: str) -> Prepared | None:
    """The reply that was kept; None if none can be read: then the skill is asked again."""
    try:
        return Prepared.from_json(stored) if stored else None
    except (ValueError, TypeError, AttributeError):
        return None


def _failures(stored: str) -> Failures:
    """What went wrong so far; nothing if that can't be read."""
    try:
        return Failures.from_json(stored) if stored else Failures()
    except (ValueError, TypeError, AttributeError, OverflowError):
        return Failures()


def _dead_letter(message_id: str, ended_ms: float, record: Any, payload: Any) -> DeadLetter:
    """A dead letter as it was stored; what can't be read of it is left out."""
    reason, detail, accepted_ms, leases = record if isinstance(record, list) else _SPOILT
    return DeadLetter(
        id=message_id,
        reason=join_reason(reason or "", detail or ""),
        attempts=count_of(leases),
        accepted_ms=count_of(accepted_ms),
        ended_ms=count_of(f"{ended_ms:.0f}"),
        payload=payload.encode() if isinstance(payload, str) else None,
    )


def _name_spoilt(message_id: str) -> None:
    logger.error(
        "message %s: its record in Redis is spoilt, so it has ended", printable(message_id)
    )


def _group(found: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {k.removeprefix(prefix): n for k, n in sorted(found.items()) if k.startswith(prefix)}
