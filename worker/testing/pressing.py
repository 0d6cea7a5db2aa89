"""The part of the test kit that presses buttons of cards."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import httpx
from pydantic_settings import BaseSettings

from dingda.shared.dingtalk.card import ActionButton, Card, CardContent, out_track_id_of
from dingda.shared.dingtalk.card_action import CardAction
from dingda.shared.dingtalk.notification import LIFE_MS, Notification
from dingda.shared.ledger.cards import CardRecord, CardState, Decision
from dingda.shared.ledger.states import Completion
from dingda.shared.runtime.clock import china_now
from dingda.worker.answering.card_view import card_params, result_of
from dingda.worker.answering.cards import RobotCards
from dingda.worker.answering.hook_caller import HookCaller
from dingda.worker.answering.hooks import completion_of_hooks
from dingda.worker.answering.inspection import AuthorsNotes
from dingda.worker.sdk.skill import Skill
from dingda.worker.services.address_book import AddressBook
from dingda.worker.services.cache import Cache
from dingda.worker.services.media import Media
from dingda.worker.services.pusher import Pusher
from dingda.worker.testing.asking import TIMEOUT_S, services_for

_ROBOT, _SECRET = "dingrobot", "secret"


@dataclass(frozen=True, slots=True)
class Pressed:
    """What came of a press.

    >>> @dataclass(frozen=True)
    ... class Approve:
    ...     day: str
    >>> @skill.action(Approve)
    ... def approve(approval: Approve) -> None:
    ...     if approval.day == "周日":
    ...         raise RefusalError("周日本来就休息")
    >>> asyncio.run(press(skill, Approve("周日"), by="0002")).result
    '周日本来就休息'
    """

    completion: Completion
    """How the press ends in the ledger."""
    result: str
    """What the function returned, or why it refused; "" if it returned nothing or failed."""
    card: CardRecord
    """The card afterwards."""

    @property
    def shown(self) -> str:
        """What the card says then: who decided and the result, that it is too late, or ""."""
        return result_of(self.card, now_ms=self.card.decided_ms)


class MemoryCards:
    """The cards of a test, in this process.

    Args:
        now_ms: the present, in ms since 1970.
        age_ms: how long its cards have been shown by then.
    """

    def __init__(self, now_ms: int, age_ms: int) -> None:
        self._cards: dict[str, CardRecord] = {}
        self._now_ms = now_ms
        self._age_ms = age_ms

    async def open(
        self, out_track_id: str, robot_code: str, content: CardContent, *, is_changeable: bool
    ) -> CardRecord:
        """Keep a card."""
        expires_ms = self._now_ms - self._age_ms + round(content.expires_s * 1000)
        card = CardRecord(
            out_track_id, robot_code, content, CardState.OPEN, expires_ms, is_changeable
        )
        return self._cards.setdefault(out_track_id, card)

    async def find(self, out_track_id: str) -> CardRecord | None:
        """A card; None if there is none of that id."""
        return self._cards.get(out_track_id)

    async def decide(
        self, out_track_id: str, *, press: str, by: str, name: str, choice: int
    ) -> Decision:
        """Let a press decide, if it is the first."""
        card = self._cards[out_track_id]
        if card.state is CardState.DECIDED:
            return Decision.DECIDED if card.press == press else Decision.TAKEN
        if self._now_ms >= card.expires_ms:
            self._cards[out_track_id] = replace(card, state=CardState.EXPIRED)
            return Decision.EXPIRED
        self._cards[out_track_id] = replace(
            card,
            state=CardState.DECIDED,
            press=press,
            by=by,
            name=name,
            choice=choice,
            decided_ms=self._now_ms,
        )
        return Decision.DECIDED

    async def conclude(self, out_track_id: str, *, press: str, result: str) -> CardRecord | None:
        """Keep what a card shows."""
        card = self._cards[out_track_id]
        if card.press != press:
            return None
        self._cards[out_track_id] = replace(card, result=result, has_ended=True)
        return self._cards[out_track_id]

    async def shown(self, card: CardRecord) -> None:
        """Nothing is shown in a test."""

    async def turn_away(self, out_track_id: str, by: str) -> bool:
        """Nobody is told in a test."""
        del out_track_id, by
        return False


async def press(  # noqa: PLR0913 - the circumstances that a test may choose
    skill: Skill,
    action: object,
    *,
    by: str,
    card: Card | None = None,
    to: str = "0001",
    after_s: float = 0,
    now: datetime | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    settings: Sequence[BaseSettings] = (),
    dingtalk: AddressBook | None = None,
    cache: Cache | None = None,
    media: Media | None = None,
    pushes: Pusher | None = None,
) -> Pressed:
    """Press a button of a card, and return what came of it.

    Args:
        skill: the one that takes the action.
        action: what the button carries.
        by: the userid of the person who presses.
        card: the one that it is on, as the skill returned or pushed it; who may press is checked.
            None: one that allows whoever presses.
        to: the userid of the person that the card is for, who alone may press where its `allow` is
            empty: by default whoever asks in `ask`.
        after_s: how long the card has been shown by then, in seconds.
        now: when it is pressed, as of `listen`, like those that follow.
        transport: plays the backends.
        settings: the skill's settings.
        dingtalk: the address book, which tells the name of the person who presses.
        cache: a new `MemoryCache` unless given.
        media: what people sent, and what is uploaded.
        pushes: takes what is pushed, such as `Pushes()`.

    Raises:
        ValueError: if the card has no such button.

    >>> @dataclass(frozen=True)
    ... class Approve:
    ...     day: str
    >>> @skill.action(Approve)
    ... def approve(approval: Approve) -> str:
    ...     return f"{approval.day}可以休息"
    >>> pressed = asyncio.run(press(skill, Approve("周五"), by="0002"))
    >>> pressed.result, pressed.card.by
    ('周五可以休息', '0002')
    """
    card = card or Card("卡片", "卡片", (ActionButton("按钮", action),), allow=(by,))
    given = services_for([skill], transport, settings, dingtalk, cache, media, pushes)
    async with given as (services, threads):
        pressed_at = now or china_now()
        memory = MemoryCards(round(pressed_at.timestamp() * 1000), round(after_s * 1000))
        cards = RobotCards(
            memory,
            robot_code=_ROBOT,
            secrets=(_SECRET,),
            skills=[skill],
            display=None,
            address_book=dingtalk,
        )
        out_track_id = out_track_id_of("test")
        content = replace(card.content(), allow=card.allow or (to,))
        opened = await memory.open(out_track_id, _ROBOT, content, is_changeable=True)
        caller = HookCaller(
            skills=[skill],
            services=services,
            threads=threads,
            skill_timeout_s=TIMEOUT_S,
            now=lambda: pressed_at,
            cards=cards,
            new_notes=AuthorsNotes,
        )
        notification = Notification(_ROBOT, _pressed(opened, card, action, by))
        results = [
            await caller.call(
                found, notification, idempotency_key="0" * 64, timeout_s=LIFE_MS / 1000
            )
            for found in caller.find(notification)
        ]
        after = await memory.find(out_track_id) or opened
    return Pressed(completion_of_hooks(results), after.result, after)


def _pressed(opened: CardRecord, card: Card, action: object, by: str) -> CardAction:
    """The callback of a press, as DingTalk makes it of what the card shows."""
    number = next(
        (number for number, each in enumerate(card.buttons) if each.action == action), None
    )
    if number is None:
        raise ValueError("the card has no button with this action")
    params = card_params(opened, _SECRET, now_ms=opened.expires_ms)
    carried: dict[str, Any] = json.loads(params["buttons"])[number]["event"]["params"]
    return CardAction(
        (carried["actionId"],),
        user_id=by,
        params=carried["params"],
        out_track_id=opened.out_track_id,
    )
