"""`dingda trace`: what became of messages, a line for each, or the whole way of one.

Ids, times, names and types; nothing that anybody wrote. What others have chosen, such as an id, is
shown on one line, with its control characters escaped.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.journal import JournalEntry
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.message_trace import MessageTrace
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.command_line import to_json
from dingda.shared.runtime.logs import printable
from dingda.shared.runtime.task_owner import SHORT_ID_CHARS

_MAX_DIGITS = 5
_NO_LABELS: Mapping[str, str] = {}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Times:
    """When a message came through each step last, in ms since 1970; None if it never did."""

    accepted_ms: int | None
    leased_ms: int | None
    sending_ms: int | None
    ended_ms: int | None

    @property
    def stages_s(self) -> dict[str, float]:
        """How long each stage took that it came through, in seconds; see `Stage`."""
        claimed = self.sending_ms
        if claimed and self.leased_ms and claimed < self.leased_ms:
            claimed = None  # by an earlier attempt
        bounds = {
            "queue": (self.accepted_ms, self.leased_ms),
            "skill": (self.leased_ms, claimed or self.ended_ms),
            "delivery": (claimed, self.ended_ms),
            "total": (self.accepted_ms, self.ended_ms),
        }
        return {
            stage: (end - begin) / 1000 for stage, (begin, end) in bounds.items() if begin and end
        }


def parse_since(text: str, now: datetime) -> datetime:
    """Read how far back to look.

    Args:
        text: an age, as `90s`, `30m`, `2h` or `1d`; or a date or time as ISO 8601 writes it, in
            the local zone if it names none.
        now: the present.

    Raises:
        ValueError: if it is neither.
    """
    number, unit = text[:-1], text[-1:]
    if unit in _UNITS and number.isascii() and number.isdecimal() and len(number) <= _MAX_DIGITS:
        return now - timedelta(**{_UNITS[unit]: int(number)})
    return datetime.fromisoformat(text).astimezone()


def show_entries(
    entries: Sequence[JournalEntry], *, as_json: bool, labels: Mapping[str, str] = _NO_LABELS
) -> str:
    """A line for each message that has ended, or a JSON list.

    Args:
        entries: the messages.
        as_json: whether it is to be JSON.
        labels: of several robots, by their codes.
    """
    if as_json:
        return to_json([_entry_facts(entry) for entry in entries])
    return "\n".join(_line(entry, labels) for entry in entries)


def show_message(
    trace: MessageTrace, *, as_json: bool, labels: Mapping[str, str] = _NO_LABELS
) -> str:
    """The way of one message, or all of it as a JSON object; `labels` as in `show_entries`."""
    if as_json:
        return to_json(_trace_facts(trace))
    return "\n".join(_described(trace, labels))


async def why_nothing_fits(redis: Redis, queue: JobQueue) -> str:
    """Say why a message may not be found, by what the journal still holds."""
    key = LedgerKeys(queue.name).journal
    try:
        count: int = await redis.xlen(key)
        oldest: Any = await redis.xrange(key, count=1)
    except ResponseError:  # something else is in its place
        count, oldest = 0, []
    if not oldest:
        return (
            "No message fits. The journal is empty: none has ended yet, or DINGDA_JOURNAL=0 keeps "
            "none. Open messages and dead letters are found by their id or --msg-id."
        )
    since_ms = int(oldest[0][0].partition("-")[0])
    return (
        f"No message fits. The journal holds the {count} that ended since {_time(since_ms)}: what "
        "ended before is forgotten (DINGDA_JOURNAL), or it never came here. Of an id, give more "
        "digits if several may begin so."
    )


def _line(entry: JournalEntry, labels: Mapping[str, str]) -> str:
    stages_s = _times(entry).stages_s
    took = "  ".join(f"{stage} {took_s:.3f} s" for stage, took_s in stages_s.items())
    facts = entry.facts
    words = (
        _time(entry.ended_ms),
        entry.id[:SHORT_ID_CHARS],
        entry.full_reason or entry.outcome,
        facts.skill or "-",
        took,
        facts.kind or f"from {facts.sender or '-'}",
        f"to {labels.get(facts.robot, facts.robot) or '-'}" if labels else "",
        f"{facts.error} at {facts.place}" if facts.error else "",
    )
    return "  ".join(map(printable, filter(None, words)))


def _described(trace: MessageTrace, labels: Mapping[str, str]) -> Iterator[str]:
    timeline, facts = trace.timeline, trace.facts
    outcome = f"{timeline.state} ({timeline.reason})" if timeline.reason else timeline.state
    arguments = ", ".join(f"{name}: {kind}" for name, kind in facts.arguments.items())
    error = f"{facts.error} at {facts.place}" if facts.error else ""
    # Of an event or a card action nothing is sent; its hooks are called again.
    attempts = "retried" if facts.kind else "sent"
    leased = f"{timeline.lease_count}×, by worker {timeline.worker or 'unknown'}"
    for name, value in (
        ("message", trace.id),
        ("msg-id", facts.msg_id),
        ("kind", facts.kind),
        ("robot", " ".join(filter(None, (labels.get(facts.robot), facts.robot)))),
        ("conversation", facts.conversation),
        ("sender", facts.sender),
        ("state", outcome),
        ("skill", f"{facts.skill}({arguments})" if facts.skill else ""),
        ("error", error),
        ("leased", leased if timeline.lease_count else ""),
        (attempts, f"{trace.delivery_attempts}×" if trace.delivery_attempts else ""),
    ):
        if value:
            yield f"{name:13} {printable(value)}"
    yield ""
    yield from _steps(trace)


def _steps(trace: MessageTrace) -> Iterator[str]:
    """A line for each step, with the time since the one before."""
    timeline = trace.timeline
    times = _times(timeline)
    if not times.accepted_ms:
        yield "Its times are forgotten: they are kept for some minutes after its end."
        return
    steps = [
        ("accepted", times.accepted_ms),
        ("leased", times.leased_ms),
        ("reply claimed", times.sending_ms),
        (timeline.state, times.ended_ms),
        ("again from", timeline.retry_at_ms),
    ]
    before_ms = times.accepted_ms
    for name, at_ms in sorted((step for step in steps if step[1]), key=lambda step: step[1] or 0):
        yield f"{_time(at_ms or 0)}  +{((at_ms or 0) - before_ms) / 1000:.3f} s  {printable(name)}"
        before_ms = at_ms or 0
        if name == "leased":
            for call in trace.facts.calls:
                yield f"    {printable(f'{call.host}  {call.result}')}  {call.took_ms} ms"


def _times(source: Any) -> Times:
    return Times(source.accepted_ms, source.leased_ms, source.sending_ms, source.ended_ms)


def _entry_facts(entry: JournalEntry) -> dict[str, Any]:
    return _plain(asdict(entry), entry.facts) | {"stages_s": _times(entry).stages_s}


def _trace_facts(trace: MessageTrace) -> dict[str, Any]:
    facts = _plain(asdict(trace), trace.facts)
    return facts | {"stages_s": _times(trace.timeline).stages_s}


def _plain(fields: dict[str, Any], facts: MessageFacts) -> dict[str, Any]:
    """The fields as JSON has them: what was noted of the message among them."""
    noted = asdict(facts) | {"arguments": dict(facts.arguments)}
    del fields["facts"]
    return fields | noted


def _time(ms: int) -> str:
    """A moment, or what a foreign hand has left in a record that is none."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(ms / 1000).astimezone().isoformat(" ", "milliseconds")
    return f"{ms} ms"
