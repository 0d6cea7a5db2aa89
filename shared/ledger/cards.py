"""Cards whose buttons act: what is decided, by whom, and what each of them has yet to show.

A card is stored before DingTalk shows it, so no press comes too early. The first press decides, in
one script; the id of the press lets its later attempts go on where an earlier one ended. What a
card should show is stored first and shown afterwards: a worker that dies in between leaves it to
another, which finds the card among those that are due.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis

from dingda.shared.dingtalk.card import CardContent
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.scripts import (
    CardShownArguments,
    ConcludeCardArguments,
    DecideCardArguments,
    DueCardsArguments,
    LedgerScripts,
    OpenCardArguments,
    TurnAwayArguments,
)
from dingda.shared.queue import JobQueue

logger = logging.getLogger(__name__)

KEEP_MS = 7 * 86_400_000
"""How long a card is known after its expiry: whoever presses it then is told so."""
SHOWN_WITHIN_MS = 10_000
"""How long the worker that stored what a card shows has for showing it, before another does."""
WORKED_ON_MS = 20_000
"""After how long a card whose press is still worked on says so."""
GIVEN_UP_MS = 30 * 60_000
"""How long after a decision the skill's function has been called for the last time."""
_RETRY_MS, _LONGEST_RETRY_MS = 15_000, 3_600_000
_MOST_TRIES = 20
_DUE_AT_ONCE = 20
_MOST_TURNED_AWAY = 20
"""More people than this press a card that is not theirs, and none of them is told."""

_FIELDS = (
    *("robot", "content", "state", "expires_ms", "changeable", "by", "choice", "press"),
    *("decided_ms", "name", "result", "ended", "version"),
)
"""As `lua/parts/cards.lua` has them."""


class CardState(StrEnum):
    """Whether a card can still be pressed."""

    OPEN = "open"
    DECIDED = "decided"
    EXPIRED = "expired"


class Decision(StrEnum):
    """What became of a press."""

    DECIDED = "decided"
    """It decides, now or in an earlier attempt."""
    TAKEN = "taken"
    """Another press has decided."""
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    """There is no such card, or none any more."""


@dataclass(frozen=True, slots=True)
class CardRecord:
    """A card as the ledger has it."""

    out_track_id: str
    robot_code: str
    content: CardContent
    state: CardState
    expires_ms: int
    is_changeable: bool
    """Whether it is a card of DingTalk's, and no message with buttons."""
    by: str = ""
    """The userid of the person who decided."""
    choice: int = -1
    """Which of its actions was chosen; -1: none."""
    press: str = ""
    decided_ms: int = 0
    name: str = field(default="", repr=False)
    """The name of the person who decided."""
    result: str = field(default="", repr=False)
    """What came of it, besides that."""
    has_ended: bool = False
    """Whether the skill is done with it."""
    version: int = 0

    @classmethod
    def of(cls, out_track_id: str, fields: Sequence[Any]) -> "CardRecord":
        """Read the fields that a script returns.

        Raises:
            InvalidReplyError: if they are not a card's.
            ValueError: the same.
        """
        robot, content, state, expires_ms, changeable, by, choice, press, decided, *shown = fields
        name, result, ended, version = shown
        return cls(
            out_track_id,
            robot or "",
            CardContent.from_json(content or ""),
            CardState(state or ""),
            int(expires_ms or 0),
            changeable == "1",
            by or "",
            int(choice if choice is not None else -1),
            press or "",
            int(decided or 0),
            name or "",
            result or "",
            bool(ended),
            int(version or 0),
        )


class CardLedger:
    """The records of cards. Every method may raise what the Redis client raises.

    Args:
        redis: a client that decodes responses.
        queue: the RQ queue, after which the keys are named.
    """

    def __init__(self, redis: Redis, queue: JobQueue) -> None:
        self._redis = redis
        self._keys = LedgerKeys(queue.name)
        self._scripts = LedgerScripts(redis, queue)

    async def open(
        self, out_track_id: str, robot_code: str, content: CardContent, *, is_changeable: bool
    ) -> CardRecord:
        """Store a card that is about to be shown; what an earlier attempt has stored stays.

        Args:
            out_track_id: its id, see `out_track_id_of`.
            robot_code: of the robot that shows it.
            content: what it shows and offers; `allow` names somebody.
            is_changeable: whether it is a card of DingTalk's, and no message with buttons.
        """
        arguments = OpenCardArguments(
            self._keys.card(out_track_id),
            self._keys.cards,
            out_track_id,
            robot_code,
            content.to_json(),
            round(content.expires_s * 1000),
            KEEP_MS,
            int(is_changeable),
        )
        return CardRecord.of(out_track_id, await self._scripts.run(arguments))

    async def find(self, out_track_id: str) -> CardRecord | None:
        """A card; None if there is none of that id."""
        fields = await self._redis.hmget(self._keys.card(out_track_id), _FIELDS)
        return _read(out_track_id, fields) if fields[2] else None

    async def decide(
        self, out_track_id: str, *, press: str, by: str, name: str, choice: int
    ) -> Decision:
        """Let a press decide, if it is the first.

        Args:
            out_track_id: the card.
            press: the id of the press in the ledger, the same at each attempt.
            by: the userid of the person who pressed, and may.
            name: theirs, as the card shows it.
            choice: which of the card's actions.
        """
        key = self._keys.card(out_track_id)
        arguments = DecideCardArguments(
            key, self._keys.cards, out_track_id, press, by, name, choice, WORKED_ON_MS
        )
        return Decision(await self._scripts.step(arguments))

    async def conclude(self, out_track_id: str, *, press: str, result: str) -> CardRecord | None:
        """Store what the card shows from now on; None if another press has decided.

        Args:
            out_track_id: the card.
            press: the one that decided.
            result: what came of it.
        """
        key = self._keys.card(out_track_id)
        arguments = ConcludeCardArguments(
            key, self._keys.cards, out_track_id, press, result, SHOWN_WITHIN_MS
        )
        fields = await self._scripts.run(arguments)
        return CardRecord.of(out_track_id, fields) if fields else None

    async def take_due(self) -> list[CardRecord]:
        """The cards that don't show what they should, each for this worker alone for a while."""
        arguments = DueCardsArguments(
            self._keys.cards,
            self._keys.card(""),
            _DUE_AT_ONCE,
            _RETRY_MS,
            _LONGEST_RETRY_MS,
            _MOST_TRIES,
        )
        due = await self._scripts.run(arguments)
        read = (_read(out_track_id, fields) for out_track_id, *fields in due)
        return [card for card in read if card is not None]

    async def shown(self, card: CardRecord) -> None:
        """Note that DingTalk shows a card as it is in this record."""
        key = self._keys.card(card.out_track_id)
        await self._scripts.run(
            CardShownArguments(key, self._keys.cards, card.out_track_id, card.version, GIVEN_UP_MS)
        )

    async def turn_away(self, out_track_id: str, by: str) -> bool:
        """Whether somebody who may not press a card is to be told so: once, and not too many."""
        arguments = TurnAwayArguments(self._keys.card(out_track_id), by, _MOST_TURNED_AWAY)
        return bool(await self._scripts.run(arguments))


def _read(out_track_id: str, fields: Sequence[Any]) -> CardRecord | None:
    """A record; None where a foreign hand has spoilt it: such a card can't be pressed or shown."""
    try:
        return CardRecord.of(out_track_id, fields)
    except (InvalidReplyError, ValueError):
        logger.error("the record of a card can't be read")
        return None
