"""Bulkheads: a limit of messages at once for each skill, shared fairly between conversations.

A skill that hangs fills its own places, and no other skill's. Messages wait for a place in memory,
before the skill's timeout begins.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dingda.shared.errors import DingdaError

DEFAULT_PLACES = 100
BLOCKING_PLACES = 24
"""The places of a skill that blocks: three quarters of the threads; other skills have the rest."""
_RESERVE = 10
"""One extra place per this many, for conversations other than the busiest."""
_WAITING = 5
"""How many messages may wait for each place of a skill."""
_MIN_WAITING = 500
_UNLIMITED = 1_000_000
_PAUSE_S = 1.0
_RETURNS_PER_S = 200


class NoPlaceError(DingdaError):
    """No place became free in time, or too many messages wait already."""


class Places:
    """The places of one skill.

    A free place goes to the conversation that holds the fewest, and to its oldest message; of two
    conversations that hold as many, to the one whose message has waited longer.

    Args:
        places: how many messages one conversation may have in the skill at once.
        waiting: how many messages may wait; beyond it `is_full`.
    """

    def __init__(self, places: int, *, waiting: int) -> None:
        self._places = places
        self._total = places + max(1, places // _RESERVE)
        self._max_waiting = waiting
        self._taken = 0
        self._held = Counter[str]()
        self._queues = defaultdict[str, deque[asyncio.Future[None]]](deque)
        self._waiting_since: dict[asyncio.Future[None], float] = {}

    @property
    def capacity(self) -> int:
        """How many messages may be here at once, including those that wait."""
        return self._total + self._max_waiting

    @property
    def is_full(self) -> bool:
        """Whether no further message may wait."""
        return len(self._waiting_since) >= self._max_waiting

    @property
    def is_busy(self) -> bool:
        """Whether the next message may have to wait."""
        return self._taken >= self._places

    @asynccontextmanager
    async def place(self, conversation_id: str, *, within_s: float) -> AsyncIterator[None]:
        """Wait for a place, and hold it for as long as the context is open.

        Raises:
            NoPlaceError: if there is none within `within_s` seconds, or it `is_full`.
        """
        # No waiting message of another conversation is overtaken: either that conversation holds
        # all that it may, or no place is free at all.
        if self._taken < self._total and self._held[conversation_id] < self._places:
            self._take(conversation_id)
        elif self.is_full:
            raise NoPlaceError(f"{len(self._waiting_since)} wait already")
        else:
            await self._wait(conversation_id, within_s)
        try:
            yield
        finally:
            self._leave(conversation_id)

    def _take(self, conversation_id: str) -> None:
        self._taken += 1
        self._held[conversation_id] += 1

    async def _wait(self, conversation_id: str, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._queues[conversation_id].append(turn)
        self._waiting_since[turn] = loop.time()
        try:
            async with asyncio.timeout(within_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._leave(conversation_id)  # the place was given while the wait ended
            else:
                self._queues[conversation_id].remove(turn)
                self._forget_if_idle(conversation_id)
            if isinstance(error, TimeoutError):
                raise NoPlaceError(f"no place within {within_s:.0f} s") from None
            raise
        finally:
            del self._waiting_since[turn]

    def _leave(self, conversation_id: str) -> None:
        self._taken -= 1
        self._held[conversation_id] -= 1
        self._forget_if_idle(conversation_id)
        waiting = [each for each in self._queues if self._held[each] < self._places]
        if waiting and self._taken < self._total:
            self._admit_next(min(waiting, key=self._rank))

    def _rank(self, conversation_id: str) -> tuple[int, float]:
        return self._held[conversation_id], self._waiting_since[self._queues[conversation_id][0]]

    def _admit_next(self, conversation_id: str) -> None:
        self._take(conversation_id)
        self._queues[conversation_id].popleft().set_result(None)
        self._forget_if_idle(conversation_id)

    def _forget_if_idle(self, conversation_id: str) -> None:
        """Forget a conversation that has no message here."""
        if not self._queues[conversation_id]:
            del self._queues[conversation_id]
        if not self._held[conversation_id]:
            del self._held[conversation_id]


class Admission:
    """The places of every skill in one worker process, and those on the wire to DingTalk.

    Args:
        places: how many messages of one conversation a skill works on at once. A tenth more, at
            least one, is kept for other conversations.
        skills: how many skills there are.
        waiting: how many messages may wait for each skill; None: in proportion to the places.
    """

    def __init__(
        self, places: int = DEFAULT_PLACES, *, skills: int = 1, waiting: int | None = None
    ) -> None:
        self._places = places
        self._waiting = max(_MIN_WAITING, _WAITING * places) if waiting is None else waiting
        self._skills: dict[tuple[str, bool], Places] = {}
        self._returns_s = 0.0
        self.capacity = places + skills * Places(places, waiting=self._waiting).capacity
        """How many messages the worker may hold: each skill can fill its places and its waiting
        room, and there is still room for another's."""
        self.posts = Places(places, waiting=_UNLIMITED)
        """The places on the wire, shared fairly between the skills that made the replies."""

    def places_of(self, skill: str, *, blocks: bool) -> Places:
        """The places of a skill; its functions that block have their own."""
        key = (skill, blocks)
        if key not in self._skills:
            places = min(self._places, BLOCKING_PLACES) if blocks else self._places
            self._skills[key] = Places(places, waiting=self._waiting)
        return self._skills[key]

    def pause_ms(self) -> int:
        """How long a message goes back to the ledger when its skill is full.

        Such messages come back one after the other, since each return costs the worker some work.
        """
        now_s = asyncio.get_running_loop().time()
        self._returns_s = max(now_s + _PAUSE_S, self._returns_s + 1 / _RETURNS_PER_S)
        return int((self._returns_s - now_s) * 1000)
