"""Buttons of messages: where DingTalk shows no cards, each sends a text that names its card.

The text comes as a message of whoever clicked, so its sender is as sure as any. It can be copied
and typed by others, who are refused as on a card.
"""

from concurrent.futures import Executor

from dingda.shared import texts
from dingda.shared.dingtalk.message import Message
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.worker.answering.actions import act
from dingda.worker.answering.card_view import result_of
from dingda.worker.answering.cards import Press, RobotCards
from dingda.worker.answering.routing import Route
from dingda.worker.errors import RefusalError
from dingda.worker.language.patterns import Pattern
from dingda.worker.language.text import FoldedText
from dingda.worker.sdk.context import Context
from dingda.worker.sdk.skill import Skill

_MARK = "#dd-"
"""A quick check before the pattern: hardly any other text has it."""
_BUTTON = Pattern(r"#(?P<taken>dd-[a-z2-7]{24}-[1-9])\s*$")
_NAME = "卡片"


class TextPresses:
    """Finds texts that were sent by buttons, and does what the buttons are for.

    Args:
        cards: the robot's.
        threads: runs functions that block.
    """

    def __init__(self, cards: RobotCards, threads: Executor) -> None:
        self._cards = cards
        self._threads = threads
        self._skill = Skill("card", summary="处理卡片")
        self._skill.command(_NAME)(self._press)

    def route(self, message: Message) -> Route | None:
        """The route of a text that a button sent; None of any other."""
        text = message.own_words
        if _MARK not in text or not (found := _BUTTON.search(text)):
            return None
        (command,) = self._skill.commands
        return Route(self._skill, command, found.taken, FoldedText("", ""))

    async def _press(self, ctx: Context) -> str:
        out_track_id, _, number = ctx.text.rpartition("-")
        press = Press(ctx.message.id, out_track_id, ctx.staff_id, int(number))
        try:
            result = await act(self._cards, press, ctx, self._threads)
        except RefusalError as refusal:
            await self._cards.conclude(press, str(refusal))
            raise
        card = await self._cards.conclude(press, result)
        if card is None:
            raise RefusalError(texts.CARD_GONE)
        return result_of(card, now_ms=wall_clock_ms())
