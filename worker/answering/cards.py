"""A robot's cards: prepared for being shown, checked when they are pressed, and changed.

Whoever sees a card can press it, a forwarded one as well. So a press counts only if what the button
carries was signed for this card of this robot, the card is known and open, and its `allow` names
whoever pressed; anything else is refused.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from dingda.shared import texts
from dingda.shared.dingtalk.card import (
    CardContent,
    is_signed,
    out_track_id_of,
    read_action,
)
from dingda.shared.dingtalk.card_action import ACTION_ID, CardAction
from dingda.shared.dingtalk.reply import ActionCard
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.cards import CardRecord, CardState, Decision
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.shared.runtime.failpoints import failpoint
from dingda.worker.answering.card_view import as_action_card, card_params
from dingda.worker.delivery.card_api import CardApi, CardOutcome, NewCard, Space
from dingda.worker.delivery.outcome import Delivered, Rejected, Retry
from dingda.worker.errors import BackendError, RefusalError
from dingda.worker.sdk.actions import ActionHandler
from dingda.worker.sdk.skill import Skill
from dingda.worker.services.address_book import AddressBook

logger = logging.getLogger(__name__)


class Cards(Protocol):
    """The part of `shared.ledger.cards.CardLedger` that is needed here."""

    async def open(
        self, out_track_id: str, robot_code: str, content: CardContent, *, is_changeable: bool
    ) -> CardRecord:
        """Store a card."""

    async def find(self, out_track_id: str) -> CardRecord | None:
        """Find a card."""

    async def decide(
        self, out_track_id: str, *, press: str, by: str, name: str, choice: int
    ) -> Decision:
        """Let a press decide."""

    async def conclude(self, out_track_id: str, *, press: str, result: str) -> CardRecord | None:
        """Store what a card shows."""

    async def shown(self, card: CardRecord) -> None:
        """Note that it is shown."""

    async def turn_away(self, out_track_id: str, by: str) -> bool:
        """Whether somebody is to be told that a card is not theirs."""


@dataclass(frozen=True, slots=True)
class CardDisplay:
    """How DingTalk shows a robot's cards, and where it sends their presses."""

    api: CardApi
    template_id: str
    route_key: str
    """Of the registered address; "" for the Stream connection."""


class FoundAction(NamedTuple):
    """The function of a skill that a button calls."""

    skill: Skill
    handler: ActionHandler


class AllowedPress(NamedTuple):
    """A press that passed every check but one: whether it is the first."""

    card: CardRecord
    found: FoundAction
    action: Any
    """The skill's own value of what the button carries."""


@dataclass(frozen=True, slots=True)
class Press:
    """A press that may decide: of a known button, by somebody."""

    id: str
    """The same at each attempt."""
    out_track_id: str
    by: str
    number: int
    """Which button, from 1."""
    sealed: str = ""
    """What the button carried; "" where the ledger says it."""
    signature: str = ""

    @property
    def action_name(self) -> str:
        """The name of the action that the button carries; nobody has checked it yet."""
        try:
            name, _ = json.loads(self.sealed)
        except (ValueError, TypeError, RecursionError):
            return ""
        return str(name)


class RobotCards:
    """The cards of one robot.

    Args:
        cards: their records.
        robot_code: the robot's, as the settings have it.
        secrets: its AppSecrets; the first signs.
        skills: whose actions the buttons of its cards may carry.
        display: how DingTalk shows cards; None: as messages whose buttons send a text.
        address_book: tells the names of those who decide; None where that is not set up.
    """

    def __init__(
        self,
        cards: Cards,
        *,
        robot_code: str,
        secrets: Sequence[str],
        skills: Sequence[Skill],
        display: CardDisplay | None,
        address_book: AddressBook | None,
    ) -> None:
        self._cards = cards
        self._robot_code = robot_code
        self._secrets = secrets
        self._display = display
        self._address_book = address_book
        self._actions = {
            handler.name: FoundAction(skill, handler)
            for skill in reversed(skills)
            for handler in skill.actions
        }

    def find(self, name: str) -> FoundAction | None:
        """The action of a name; None where no skill has it."""
        return self._actions.get(name)

    async def prepare(
        self, content: CardContent, *, key: str, space: Space, staff_id: str
    ) -> NewCard | ActionCard:
        """Store a card that is about to be shown, and make what is sent.

        Args:
            content: what it shows and offers.
            key: names what it is made for; the same at each attempt, so that it stays one card.
            space: the chat that it is for.
            staff_id: the person that it is for; "" in a group.

        Raises:
            InvalidReplyError: if it allows nobody to press, or offers what no skill takes.
        """
        if not (content.allow or staff_id):
            raise InvalidReplyError("card.allow", "names nobody, and the card is for a whole group")
        for number, action in enumerate(content.actions):
            if action.name not in self._actions:
                why = f"{action.name} has no function: write @skill.action"
                raise InvalidReplyError(f"card.buttons[{number}].action", why)
        display = self._display
        card = await self._cards.open(
            out_track_id_of(key),
            self._robot_code,
            replace(content, allow=content.allow or (staff_id,)),
            is_changeable=display is not None,
        )
        failpoint("after-card")
        if display is None:
            return as_action_card(card)
        return NewCard(
            card.out_track_id,
            display.template_id,
            space,
            self._params(card),
            summary=card.content.title,
            route_key=display.route_key,
        )

    async def create(self, card: NewCard) -> CardOutcome:
        """Show a card that `prepare` has made; one that is shown already stays as it is."""
        if self._display is None:
            return Rejected("card: no template is set up any more")
        return await self._display.api.create(card)

    async def check(self, press: Press) -> AllowedPress:
        """Check a press, and find what it calls.

        Raises:
            RefusalError: if it does not count; the sentence says why.
        """
        card = await self._cards.find(press.out_track_id)
        if card is None or card.robot_code != self._robot_code:
            raise RefusalError(texts.CARD_GONE)
        if not 0 < press.number <= len(card.content.actions):
            raise RefusalError(texts.CARD_GONE)
        offered = card.content.actions[press.number - 1]
        if press.sealed and not self._is_ours(press, offered.sealed()):
            logger.warning("a card's button carries what was not signed for it")
            raise RefusalError(texts.CARD_GONE)
        if press.by not in card.content.allow:
            await self._turn_away(card, press.by)
            raise RefusalError(texts.CARD_NOT_YOURS)
        found = self._actions.get(offered.name)
        if found is None:
            raise RefusalError(texts.CARD_GONE)
        try:
            return AllowedPress(card, found, read_action(found.handler.kind, offered.fields))
        except ValueError:
            changed = "the action %s has changed since a card was made"
            logger.warning(changed, found.handler.kind.__name__)
            raise RefusalError(texts.CARD_GONE) from None

    async def decide(self, allowed: AllowedPress, press: Press) -> str:
        """Let a press decide, unless another has, and return the name of the person who pressed.

        Raises:
            RefusalError: if it comes too late.
        """
        card = allowed.card
        is_own = card.state is CardState.DECIDED and card.press == press.id
        if card.state is CardState.EXPIRED:
            raise RefusalError(texts.CARD_TOO_LATE)
        name = card.name if is_own else await self._name_of(press.by)
        decision = await self._cards.decide(
            card.out_track_id, press=press.id, by=press.by, name=name, choice=press.number - 1
        )
        match decision:
            case Decision.DECIDED:
                failpoint("after-decision")
                return name
            case Decision.EXPIRED:
                raise RefusalError(texts.CARD_TOO_LATE)
            case Decision.TAKEN:
                raise RefusalError(texts.CARD_TAKEN)
            case Decision.UNKNOWN:
                raise RefusalError(texts.CARD_GONE)

    async def conclude(self, press: Press, result: str) -> CardRecord | None:
        """Store what came of a press, and show everybody; what fails is shown later."""
        failpoint("after-action")
        card = await self._cards.conclude(press.out_track_id, press=press.id, result=result)
        if card is not None and card.is_changeable:
            failpoint("after-conclusion")
            await self.show(card)
        return card

    async def show(self, card: CardRecord) -> None:
        """Change a card for everybody to what it should show, and note that it does."""
        if self._display is None:
            return
        match await self._display.api.update(card.out_track_id, self._params(card)):
            case Delivered():
                await self._cards.shown(card)
            case Rejected(reason):
                logger.warning("a card can't be changed: %s", reason)
                await self._cards.shown(card)
            case Retry(_, reason):
                logger.info("a card is changed later: %s", reason)

    def _params(self, card: CardRecord) -> Mapping[str, str]:
        return card_params(card, self._secrets[0], now_ms=wall_clock_ms())

    def _is_ours(self, press: Press, offered: str) -> bool:
        return press.sealed == offered and is_signed(
            press.signature,
            self._secrets,
            robot_code=self._robot_code,
            out_track_id=press.out_track_id,
            sealed=press.sealed,
        )

    async def _turn_away(self, card: CardRecord, by: str) -> None:
        """Tell somebody, in their own view of the card, that it is not theirs to press."""
        display = self._display
        if display and card.is_changeable and await self._cards.turn_away(card.out_track_id, by):
            notice = {by: {"notice": texts.CARD_NOT_YOURS}}
            await display.api.update(card.out_track_id, {}, private=notice)

    async def _name_of(self, staff_id: str) -> str:
        if self._address_book is None:
            return staff_id
        try:
            person = await self._address_book.person(staff_id)
        except BackendError as error:
            logger.info("the name of the person who decided is not known: %s", error.reason)
            return staff_id
        return person.name if person and person.name else staff_id


def press_in(action: CardAction, press_id: str) -> Press | None:
    """The press of one of our own buttons; None if it is another's, for hooks.

    Args:
        action: what somebody did on a card.
        press_id: names it, the same at each attempt.
    """
    ids, params = action.action_ids, action.params
    if len(ids) != 1 or not ids[0].startswith(ACTION_ID) or "signature" not in params:
        return None
    number = str(params.get("number", ""))
    return Press(
        press_id,
        action.out_track_id,
        action.user_id,
        int(number) if number.isascii() and number.isdigit() and len(number) == 1 else 0,
        # What carries nothing was not signed either.
        str(params.get("action", "")) or "nothing",
        str(params["signature"]),
    )
