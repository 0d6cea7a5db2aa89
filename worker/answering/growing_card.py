"""The card that the answer to one message grows on, for one attempt.

While the skill writes, a task beside it writes to the card: the newest text, when the cadence and
DingTalk's rate allow it. Before each write the card is noted in Redis, with the lease's token. So
an attempt that has lost its message writes no more, and a worker that takes the message over knows
of the card. Only the end is needed, and its result decides what follows; all else may fail.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass

from redis.exceptions import RedisError

from dingda.shared.dingtalk.card import Card
from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import Markdown
from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.dialogues import AS_STORED
from dingda.shared.ledger.states import Lease
from dingda.shared.ledger.streams import StreamRecord, StreamRecords, StreamState
from dingda.shared.runtime.failpoints import failpoint
from dingda.shared.runtime.logs import trace
from dingda.shared.texts import SEE_BELOW
from dingda.worker.answering.answer_cards import SETTLE_S, AnswerCards
from dingda.worker.answering.cadence import pause_s
from dingda.worker.answering.growing_text import beginning_for_card, title_of
from dingda.worker.answering.outgoing import OutgoingReply, compose_for_card
from dingda.worker.answering.response import ANSWERED, Response
from dingda.worker.delivery.card_api import CardOutcome, Space
from dingda.worker.delivery.outcome import Delivered, Rejected
from dingda.worker.language.text import localizer
from dingda.worker.sdk.abilities import Abilities
from dingda.worker.sdk.growing import GrowingAnswer

logger = logging.getLogger(__name__)

_AGAIN_S = 0.5
"""How soon a write is tried again for which it was not the turn."""


def space_of(message: Message, *, private: bool) -> Space | None:
    """The chat that the answer to a message is shown in; None where DingTalk hides whose it is."""
    if message.is_group and not private:
        return Space(conversation_id=message.conversation_id)
    return Space(staff_id=message.sender_staff_id) if message.sender_staff_id else None


@dataclass(frozen=True, slots=True)
class CardOfMessage:
    """Which card it is, and what may be kept of it."""

    lease: Lease
    robot_code: str
    space: Space
    is_private: bool
    """Whether it is shown to the sender alone, though the question was asked in a group."""
    keeps_text: bool
    """Whether its text may be kept in Redis."""


class GrowingCard:
    """Shows an answer while it grows, and ends the card.

    Args:
        card: which one.
        cards: what writes to the robot's cards.
        records: where it is noted.
    """

    def __init__(self, card: CardOfMessage, cards: AnswerCards, records: StreamRecords) -> None:
        self.answer = GrowingAnswer(self._wake)
        self._card = card
        self._cards = cards
        self._records = records
        self._may_exist = card.lease.has_card
        self._is_known = False
        """Whether it has been there for certain."""
        self._is_absent = False
        self._is_over = asyncio.Event()
        self._notes = 0
        self._shown = ""
        self._longest = 0
        """How long the text is that an earlier attempt has shown."""
        self._changed = asyncio.Event()
        self._next_s = 0.0
        """When it may be written next, in seconds of the event loop's clock."""
        self._task: asyncio.Task[None] | None = None
        # A task beside the skill: it neither pauses the skill's clock nor is among its calls.
        self._context = copy_context()

    @property
    def is_shown(self) -> bool:
        """Whether the sender sees the card, or may."""
        return self._may_exist

    async def settle(self) -> bool:
        """Write no more while it grows, and say whether the card is there, or may be.

        A write that is under way is waited for: it must not come after the end.
        """
        self._is_over.set()
        self._changed.set()
        if self._task:
            (error,) = await asyncio.gather(self._task, return_exceptions=True)
            if error:
                logger.error("the card was not written: %s", trace(error))
        return self._may_exist

    def cancel(self) -> None:
        """Leave the card as it is, for another attempt or another worker."""
        if self._task:
            self._task.cancel()

    async def compose(
        self, response: Response, message: Message, *, max_parts: int
    ) -> OutgoingReply | None:
        """Encode a response that begins on the card; arguments as of `compose_for_card`.

        Returns:
            None for a card with buttons, which comes below this one: this one is ended then.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
        """
        is_card = isinstance(response.reply, Card)
        if is_card:
            shown = self.answer.text.strip() or localizer(like=message.text)(SEE_BELOW)
            response = Response(Markdown(title_of(shown), shown), ANSWERED)
        reply = compose_for_card(
            response,
            self.answer.text.strip(),
            message,
            max_parts=max_parts,
            private=self._card.is_private,
            persist=self._card.keeps_text and not is_card,
        )
        if not is_card:
            return reply
        # If it fails, the card is ended once its message has ended.
        await self.end(reply.alone)
        return None

    async def end(self, reply: OutgoingReply) -> CardOutcome:
        """Show the last text, with which a reply begins.

        Another worker that leases the message from here on calls no skill.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
        """
        text = reply.card_text
        await self._note(StreamState.ENDING, text, reply)
        failpoint("card-ending")
        await asyncio.sleep(self._settles_s())
        outcome = await self._cards.end(self._card.lease.id, text)
        self._is_absent = isinstance(outcome, Rejected) and not self._is_known
        if isinstance(outcome, Delivered):
            failpoint("card-ended")
            rest = reply.next if reply.prepared.rest else None
            await self._note(StreamState.ENDED, "", rest)
        return outcome

    async def replace(self, reply: OutgoingReply) -> OutgoingReply:
        """Note that the answer goes another way, and return it for that.

        It says that it takes the card's place, and the card will say so too, if there is one.
        """
        if self._is_absent:
            reply = reply.without_card()
            await self._note(StreamState.ABSENT, "", reply)
        else:
            reply = reply.in_place_of_card()
            await self._note(StreamState.REPLACED, "", reply)
        return reply

    def _wake(self) -> None:
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._grow(), context=self._context)

    async def _grow(self) -> None:
        while await self._is_due():
            try:
                await self._show(self._visible())
            except LeaseLostError:
                return
            except (RedisError, OSError) as error:
                # Without Redis nobody knows whose message it is: the card stays as it is.
                logger.warning("the card was not written: %s", type(error).__name__)
                self._try_again()

    async def _is_due(self) -> bool:
        """Wait until there is something to write, and its time has come; False once it is over."""
        if pause_s(self._notes) is None:
            return False
        await self._changed.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._is_over.wait(), max(0.0, self._next_s - _now_s()))
        self._changed.clear()
        return not self._is_over.is_set()

    async def _show(self, text: str) -> None:
        if not text or text == self._shown or len(text) <= self._longest:
            return
        if self._shown and not await self._cards.may_grow():
            self._try_again()
            return
        state = StreamState.OPEN if self._shown else StreamState.OPENING
        record = await self._note(state, text)
        self._longest = len(record.text) if state is StreamState.OPENING else 0
        if len(text) <= self._longest:
            return
        outcome = await self._write(StreamState.OPEN if self._shown else record.state, text)
        if isinstance(outcome, Delivered):
            self._shown, self._may_exist, self._is_known = text, True, True
            self._next_s = _now_s() + (pause_s(self._notes) or 0.0)
            failpoint("card-grown")
        elif isinstance(outcome, Rejected):
            await self._give_up(outcome)
        else:
            logger.info("%s", outcome.reason)
            self._try_again(outcome.retry_after_s)

    async def _write(self, before: StreamState, text: str) -> CardOutcome:
        message_id = self._card.lease.id
        if before is not StreamState.NONE:
            outcome = await self._cards.grow(message_id, text)
            # One that another attempt was about to create may not exist.
            if before is not StreamState.OPENING or not isinstance(outcome, Rejected):
                return outcome
        failpoint("card-opening")
        # From here on it may exist, whatever comes back.
        self._may_exist = True
        outcome = await self._cards.create(message_id, self._card.space, text)
        failpoint("card-created")
        return outcome

    async def _give_up(self, outcome: Rejected) -> None:
        """Show the answer in a message: a card that DingTalk rejects once is rejected again."""
        self._is_over.set()
        logger.warning(
            "%s: the answer is sent as a message; see DINGDA_ANSWER_CARD_TEMPLATE", outcome.reason
        )
        if not self._shown:
            await self._note(StreamState.ABSENT, "")
            self._may_exist = False

    async def _note(
        self, state: StreamState, text: str, reply: OutgoingReply | None = None
    ) -> StreamRecord:
        """Note what is about to be written, once no other worker is ending the card."""
        kept = text if self._card.keeps_text else ""
        while True:
            found = await self._records.note(
                self._card.lease,
                state,
                kept,
                robot_code=self._card.robot_code,
                prepared=reply.persisted if reply else None,
                dialogue_after=reply.dialogue_after if reply else AS_STORED,
            )
            if isinstance(found, StreamRecord):
                self._notes = found.notes
                self._is_known |= found.state not in (StreamState.NONE, StreamState.OPENING)
                return found
            await asyncio.sleep(min(found.remaining_s, 1.0))

    def _visible(self) -> str:
        """What the card shows now: the text, and below it how far the work is."""
        answer = self.answer
        return "\n\n".join(filter(None, (beginning_for_card(answer.text), answer.progress)))

    def _try_again(self, after_s: float = 0.0) -> None:
        self._next_s = _now_s() + max(after_s, _AGAIN_S)
        self._changed.set()

    def _settles_s(self) -> float:
        """How long the end has to wait for what was written last."""
        return SETTLE_S if self._shown else 0.0


@dataclass(frozen=True, slots=True)
class GrowingCards:
    """The cards that one robot's answers grow on.

    Args:
        cards: writes to them.
        records: where they are noted.
    """

    cards: AnswerCards
    records: StreamRecords

    def of(self, lease: Lease, message: Message, *, secret: bool) -> GrowingCard | None:
        """The card of a message; None where DingTalk hides whose it is.

        Args:
            lease: on the message.
            message: what is answered.
            secret: whether the answer is for the sender alone, and must not be kept.
        """
        is_private = secret and message.is_group
        space = space_of(message, private=is_private)
        if space is None:
            return None
        card = CardOfMessage(lease, message.robot_code, space, is_private, not secret)
        return GrowingCard(card, self.cards, self.records)


def abilities_of(card: GrowingCard | None) -> Abilities:
    """What a skill can do whose answer may grow on a card."""
    return Abilities(card.answer) if card else Abilities()


@contextmanager
def closing_card(card: GrowingCard | None) -> Iterator[None]:
    """Leave the card as it is where the context raises, for another attempt or worker."""
    try:
        yield
    except BaseException:
        if card:
            card.cancel()
        raise


def _now_s() -> float:
    return asyncio.get_running_loop().time()
