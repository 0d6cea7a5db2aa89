"""What became of all messages of the demo, as the simulated DingTalk saw it."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise, starmap
from typing import Any

from dingda.shared.dingtalk.reply import MAX_BODY_BYTES
from dingda.shared.ledger.states import DeadReason, MessageState
from dingda.shared.texts import LOOKING_UP
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.record import Record, Reply
from dingda.simulator.dingtalk.record_store import RecordStore

_NOTICES = (LOOKING_UP, "正在查詢…")
"""What says no more than that an answer takes a while, in both scripts."""
_PART = re.compile(r"（(?P<number>\d{1,2})/\d{1,2}）\Z")
_COUNT_EVERY_S = 0.1


class ObservedState(StrEnum):
    """What has become of a message that was accepted."""

    ANSWERED = "answered"
    """An answer shows: in the message's session, or sent there as a card or in private."""
    LOST = "lost"
    """It ended as one that was answered, and nothing shows; or the ledger does not know it."""
    OPEN = "open"
    """It has not ended."""
    SILENT = "silent"
    """No skill wanted it, and nothing shows: that is what the bot should do."""
    DEAD = "dead"
    """It ended without an answer, and is kept with the reason for an operator."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many messages there were; `accepted` is the sum of the states."""

    accepted: int = 0
    """The gateway acknowledged it, and did not say that the bot is busy."""
    answered: int = 0
    twice: int = 0
    """Of the accepted ones: two answers show for one message."""
    lost: int = 0
    open: int = 0
    silent: int = 0
    dead: int = 0
    turned_away: int = 0
    """None of the accepted: the gateway said that the bot is busy, refused it, or was not there."""


class Tally:
    """Counts all messages, those too that the store has forgotten.

    Args:
        records: what the simulated DingTalk knows of them.
        unknown: the msgIds of those that are acknowledged, and that the ledger does not know after
            a while; it may grow.
    """

    def __init__(self, records: RecordStore, unknown: Collection[str] = ()) -> None:
        self._records = records
        self._unknown = unknown
        self._revision = 0
        self._states: dict[str, ObservedState] = {}
        self._twice: set[str] = set()
        self._turned_away: set[str] = set()

    @property
    def is_behind(self) -> bool:
        """Whether a record has changed since it last counted."""
        return self._records.has_changed_since(self._revision)

    async def follow(self, changes: ChangeNotifier) -> None:
        """Count until `changes` is closed: the store may forget a record before anybody asks."""
        while not changes.closed:
            await changes.wait_until(lambda: self.is_behind)
            self.count()
            await asyncio.sleep(_COUNT_EVERY_S)

    def count(self) -> Numbers:
        """Count what there is by now."""
        changed, self._revision = self._records.since(self._revision), self._records.revision
        for record in changed:
            self._note(record)
        for msg_id in self._unknown:
            if self._states.get(msg_id) is ObservedState.OPEN:
                self._states[msg_id] = ObservedState.LOST
        counts = Counter(self._states.values())
        return Numbers(
            accepted=len(self._states),
            twice=len(self._twice),
            turned_away=len(self._turned_away),
            **{state.value: counts[state] for state in ObservedState},
        )

    def _note(self, record: Record) -> None:
        if not (record.prompted and record.ledger_id):  # nothing that the bot should answer
            return
        if _is_accepted(record):
            self._turned_away.discard(record.msg_id)
            self._states[record.msg_id] = self._state_of(record)
        elif record.ack or (record.undelivered and record.said.reaches_the_bot):
            self._turned_away.add(record.msg_id)
        if is_answered_twice(record):
            self._twice.add(record.msg_id)

    def _state_of(self, record: Record) -> ObservedState:
        story = record.story
        if story is None or not story.ended:
            return ObservedState.OPEN
        if story.state == MessageState.DEAD:
            is_shown = story.reason.startswith(DeadReason.UNKNOWN) and answers(record)
            return ObservedState.ANSWERED if is_shown else ObservedState.DEAD
        if answers(record) or self._is_answered_elsewhere(record):
            return ObservedState.ANSWERED
        return ObservedState.SILENT if story.state == MessageState.UNMATCHED else ObservedState.LOST

    def _is_answered_elsewhere(self, record: Record) -> bool:
        """Whether the bot has sent something else since: a card, a push, a private message.

        DingTalk does not know what they answer.
        """
        return any(
            not other.prompted
            and other.sent_at_ms >= record.sent_at_ms
            and (
                other.said.sender == record.said.sender
                if other.said.single
                else other.said.group == record.said.group
            )
            for other in self._records.since(0)
        )


def answers(record: Record) -> list[Reply]:
    """The replies in a message's session that show, but for notices that it takes a while."""
    return [reply for reply in record.replies if reply.shown and _words(reply) not in _NOTICES]


def is_answered_twice(record: Record) -> bool:
    """Whether two answers show for one message.

    A long answer comes in parts, which are no two answers: each goes on where the one before it
    ended, and all of them would not fit into one reply.
    """
    shown = [reply.payload or {} for reply in answers(record)]
    bodies = [json.dumps(payload, ensure_ascii=False).encode() for payload in shown]
    if len(set(bodies)) < len(bodies):
        return True
    is_one = all(starmap(_goes_on, pairwise(shown)))
    return len(bodies) > 1 and not (is_one and sum(map(len, bodies)) > MAX_BODY_BYTES)


def _goes_on(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a payload may be the part of a long answer that follows another.

    A markdown's parts have numbered titles (`worker.answering.splitting`), but for the text of a
    card that could not be shown, which they follow.
    """
    kinds = (before.get("msgtype"), after.get("msgtype"))
    if kinds != ("markdown", "markdown"):
        return kinds == ("text", "text")
    (title, number), (next_title, next_number) = map(_numbered_title, (before, after))
    if number == 0 < next_number:
        return next_number == 1
    return next_title == title and next_number == (number + 1 if number else 0)


def _numbered_title(payload: Mapping[str, Any]) -> tuple[str, int]:
    """A markdown's title, and the number of the part that it names; 0 if it names none."""
    title = payload["markdown"]["title"]
    numbered = _PART.search(title)
    return (title[: numbered.start()], int(numbered["number"])) if numbered else (title, 0)


def _is_accepted(record: Record) -> bool:
    return record.acknowledged and not (record.turned_away and record.story is None)


def _words(reply: Reply) -> str | None:
    text = (reply.payload or {}).get("text")
    words = text.get("content") if isinstance(text, dict) else None
    return words if isinstance(words, str) else None
