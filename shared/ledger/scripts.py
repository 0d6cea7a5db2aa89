"""The ledger's Lua scripts: the arguments that each takes, and how to run it.

The arguments of a script are a named tuple whose fields have the names and the order of the
script's first line: `tests/unit/test_lua_scripts.py` compares the two. Which script
is run follows from the type of its arguments, so they can't be mistaken for another's.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from dingda.shared.dingtalk.message import Envelope, Message
from dingda.shared.ledger.batching import ScriptBatcher
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.replicas import ReplicatedConnection
from dingda.shared.queue import JobQueue, job_data, rq_now
from dingda.shared.runtime.lua_source import lua_source


class AcceptArguments(NamedTuple):
    """Then come the job's fields, counted, and an `AcceptEntry` for each message."""

    backlog_limit: int
    longest_ms: int
    unstated_ms: int
    created_at: str
    most_queued: int
    recheck_ms: int


class AcceptEntry(NamedTuple):
    """One message to be accepted."""

    id: str
    payload: bytes
    expires_ms: int | str
    """When its session closes, in ms since 1970; "" if DingTalk does not say."""
    data: bytes
    line: str

    @classmethod
    def of(cls, message: Envelope | Message, body: bytes) -> "AcceptEntry":
        """A message, with the body that it was read from."""
        expires_ms = "" if message.session_expires_ms is None else message.session_expires_ms
        return cls(message.id, body, expires_ms, job_data(message.id), message.ordering_key)


class LeaseArguments(NamedTuple):
    """Take a message."""

    id: str
    token: str
    lease_ms: int
    margin_ms: int
    remember_s: int
    journal: int
    late_ms: int


class RenewArguments(NamedTuple):
    """Lengthen a lease."""

    id: str
    token: str
    lease_ms: int


class ClaimSendArguments(NamedTuple):
    """Claim the right to send."""

    id: str
    token: str
    outcome_ms: int
    claim: str
    facts: str
    dialogue_after: str


class NextPartArguments(NamedTuple):
    """Go on to the next part of a reply."""

    id: str
    token: str
    lease_ms: int
    rest: str
    last_failure: str


class ClaimNoticeArguments(NamedTuple):
    """Note that the sender is told to wait."""

    id: str
    token: str


class FinishArguments(NamedTuple):
    """End a message."""

    id: str
    token: str
    state: str
    reason: str
    detail: str
    record_s: int
    remembered_as: int | str
    """Of `OUTCOME_NUMBERS`; "" for a dead letter, which its record outlives."""
    remember_s: int
    journal: int
    facts: str
    dialogue_after: str


class ParkArguments(NamedTuple):
    """Put a message back until it is its turn."""

    id: str
    token: str
    recheck_ms: int


class RetryArguments(NamedTuple):
    """Release a message."""

    id: str
    token: str
    pause_ms: int
    furthest: str
    longest_wait_ms: int
    prepared: str = ""
    failures: str = ""
    last_failure: str = ""
    facts: str = ""
    dialogue_after: str = ""


class SweepArguments(NamedTuple):
    """Look at what is overdue."""

    limit: int
    handover_ms: int
    max_deaths: int
    remember_s: int
    keep_dead_ms: int
    recheck_ms: int
    apart_ms: int
    longest_apart_ms: int
    journal: int
    keep_journal_ms: int
    late_ms: int


class RequeueArguments(NamedTuple):
    """Then come the job's fields, counted, and a `RequeueEntry` for each message."""

    created_at: str


class RequeueEntry(NamedTuple):
    """One message to be enqueued again."""

    id: str
    data: bytes


class RetryDeadLetterArguments(NamedTuple):
    """Then come the job's fields, counted."""

    id: str
    margin_ms: int
    data: bytes
    created_at: str
    line: str


class NamePressArguments(NamedTuple):
    """Name a press of a card's button."""

    key: str
    what: str
    name: str
    remember_ms: int


class TickArguments(NamedTuple):
    """Then come the job's fields, counted, and a `TickEntry` for each tick."""

    backlog_limit: int
    longest_ms: int
    created_at: str
    most_queued: int
    recheck_ms: int
    remembered: int


class TickEntry(NamedTuple):
    """One tick of a schedule that may be due."""

    ticks: str
    at_ms: int
    catch_up_ms: int
    id: str
    payload: bytes
    life_ms: int
    data: bytes
    line: str


class OpenCardArguments(NamedTuple):
    """Store a card before it is shown."""

    key: str
    cards: str
    out_track_id: str
    robot: str
    content: str
    expires_in_ms: int
    keep_ms: int
    changeable: int


class DecideCardArguments(NamedTuple):
    """Let a press decide."""

    key: str
    cards: str
    out_track_id: str
    press: str
    by: str
    name: str
    choice: int
    pause_ms: int


class ConcludeCardArguments(NamedTuple):
    """Store what a card shows after its decision."""

    key: str
    cards: str
    out_track_id: str
    press: str
    result: str
    pause_ms: int


class DueCardsArguments(NamedTuple):
    """Find the cards that are to be changed now."""

    cards: str
    prefix: str
    limit: int
    pause_ms: int
    longest_pause_ms: int
    most_tries: int


class CardShownArguments(NamedTuple):
    """Note that a card shows what it should."""

    key: str
    cards: str
    out_track_id: str
    version: int
    given_up_ms: int


class TurnAwayArguments(NamedTuple):
    """Note that somebody has been told that a card is not theirs to press."""

    key: str
    by: str
    most: int


class NoteStreamArguments(NamedTuple):
    """Note how far the card of a growing answer is."""

    id: str
    token: str
    key: str
    open_streams: str
    state: str
    text: str
    robot: str
    look_ms: int
    keep_ms: int
    prepared: str = ""
    dialogue_after: str = ""


class ClaimOrphansArguments(NamedTuple):
    """Claim cards whose messages have ended without them."""

    prefix: str
    open_streams: str
    limit: int
    look_ms: int
    claim_ms: int


class CloseStreamArguments(NamedTuple):
    """Note that such a card has been ended."""

    id: str
    key: str
    open_streams: str


class DiscardArguments(NamedTuple):
    """Take a dead letter off the list."""

    id: str


Arguments = (
    AcceptArguments
    | LeaseArguments
    | RenewArguments
    | ClaimSendArguments
    | NextPartArguments
    | ClaimNoticeArguments
    | FinishArguments
    | ParkArguments
    | RetryArguments
    | SweepArguments
    | RequeueArguments
    | RetryDeadLetterArguments
    | NamePressArguments
    | TickArguments
    | OpenCardArguments
    | DecideCardArguments
    | ConcludeCardArguments
    | DueCardsArguments
    | CardShownArguments
    | TurnAwayArguments
    | NoteStreamArguments
    | ClaimOrphansArguments
    | CloseStreamArguments
    | DiscardArguments
)
Entry = AcceptEntry | RequeueEntry | TickEntry

SCRIPTS: dict[type[Arguments], str] = {
    AcceptArguments: "accept",
    LeaseArguments: "lease",
    RenewArguments: "renew",
    ClaimSendArguments: "claim_send",
    NextPartArguments: "next_part",
    ClaimNoticeArguments: "claim_notice",
    FinishArguments: "finish",
    ParkArguments: "park",
    RetryArguments: "retry",
    SweepArguments: "sweep",
    RequeueArguments: "requeue",
    RetryDeadLetterArguments: "retry_dead_letter",
    DiscardArguments: "discard",
    NamePressArguments: "name_press",
    TickArguments: "tick",
    OpenCardArguments: "open_card",
    DecideCardArguments: "decide_card",
    ConcludeCardArguments: "conclude_card",
    DueCardsArguments: "due_cards",
    CardShownArguments: "card_shown",
    TurnAwayArguments: "turn_away",
    NoteStreamArguments: "note_stream",
    ClaimOrphansArguments: "claim_orphans",
    CloseStreamArguments: "close_stream",
}
"""The script that takes each kind of arguments."""
ENQUEUES = frozenset({AcceptArguments, RequeueArguments, RetryDeadLetterArguments, TickArguments})
"""The arguments that are followed by the job's fields: their scripts put jobs on RQ's queue."""
DURABLE = frozenset(
    {
        AcceptArguments,
        ClaimSendArguments,
        NextPartArguments,
        FinishArguments,
        RetryArguments,
        TickArguments,
        DecideCardArguments,
    }
)
"""The arguments whose scripts replicas are waited for. Forgotten by a failover, an accept would
lose a message, a claim would let it be answered twice, a decision let a card decide twice, and the
others would end it as *unknown*; whatever else is forgotten is done again."""


class LedgerScripts:
    """Runs the ledger's scripts, each with the keys and prefixes that all of them share.

    Args:
        redis: a client that decodes responses. What it raises is raised.
        queue: the RQ queue that the messages go through.
        replicas: how many must have what a `DURABLE` script wrote.
    """

    def __init__(self, redis: Redis, queue: JobQueue, *, replicas: int = 0) -> None:
        self._queue = queue
        keys = LedgerKeys(queue.name)
        # In the order in which common.lua names them.
        self._keys = (
            *(*queue.keys, keys.queued, keys.due, keys.dead, keys.count),
            *(keys.resting, keys.histograms, keys.journal),
            *(queue.failed_key, queue.intermediate_key),
        )
        self._prefixes = (
            keys.message(""),
            queue.job_prefix,
            keys.dead_letter_payload(""),
            keys.line(""),
            keys.ended(""),
            keys.dialogue(""),
        )
        self._scripts = {
            kind: redis.register_script(lua_source("dingda.shared.ledger", name))
            for kind, name in SCRIPTS.items()
        }
        self._connection, steps = (
            ReplicatedConnection(redis, replicas=replicas, counts_key=keys.count) for _ in range(2)
        )
        self._batcher = ScriptBatcher(steps, self._keys)

    async def run(self, arguments: Arguments, entries: Sequence[Entry] = ()) -> Any:
        """Run a script in a round trip of its own.

        Args:
            arguments: what it takes; they decide which script it is.
            entries: what follows them, for a script that takes any number of messages.
        """
        args = self._args(arguments, entries)
        script = self._scripts[type(arguments)]
        command = ("EVALSHA", script.sha, len(self._keys), *self._keys, *args)
        steps = len(entries) if type(arguments) in DURABLE else 0
        (result,), _ = await self._connection.execute_replicated([command], steps=steps)
        if isinstance(result, NoScriptError):  # a Redis that has just started
            await self._connection.execute("SCRIPT LOAD", script.script)
            (result,), _ = await self._connection.execute_replicated([command], steps=steps)
        if isinstance(result, ResponseError):
            raise result
        return result

    async def step(self, arguments: Arguments, entries: Sequence[RequeueEntry] = ()) -> Any:
        """Run a script as `run` does, in a round trip that others may share."""
        if type(arguments) in DURABLE:
            result, _ = await self.durable_step(arguments)
            return result
        args = self._args(arguments, entries)
        return await self._batcher.run(self._scripts[type(arguments)], args)

    async def durable_step(self, arguments: Arguments) -> tuple[Any, bool]:
        """Run a `DURABLE` script as `step` does, and say whether enough replicas have it."""
        args = self._args(arguments, ())
        return await self._batcher.run_durable(self._scripts[type(arguments)], args)

    def _args(self, arguments: Arguments, entries: Sequence[Entry]) -> tuple[Any, ...]:
        fields = self._queue.fields
        counted = (len(fields), *fields) if type(arguments) in ENQUEUES else ()
        return (*self._prefixes, *arguments, *counted, *chain.from_iterable(entries))


def to_requeue(
    message_ids: Sequence[str],
) -> tuple[RequeueArguments, list[RequeueEntry]]:
    """What enqueues messages again now."""
    entries = [RequeueEntry(message_id, job_data(message_id)) for message_id in message_ids]
    return RequeueArguments(rq_now()), entries
