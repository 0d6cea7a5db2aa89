"""The cards that one robot's answers grow on: what is written to them, at DingTalk's rate.

Every write has the whole text, under an id that is made of the message's, so any worker may repeat
it. Sources: DingTalk's pages on card/streaming and on the states of an AI card.
"""

import asyncio
import json
import secrets
from dataclasses import dataclass

from dingda.worker.delivery.card_api import CardApi, CardOutcome, NewCard, Space
from dingda.worker.delivery.outcome import Delivered, FailureKind, Retry
from dingda.worker.services.call_rate import CallRate

LONGEST_WAIT_S = 10.0
"""How long a call that must be made waits for its turn."""
SETTLE_S = 0.5
"""How long after one write the next that changes the card's state may come. A client that fetches
the card in between shows that loading failed."""
_GROWING, _ENDED = "2", "3"
"""`flowStatus` of the templates that have it; others ignore a variable that they don't know."""
_ID_DIGITS = 40
_NO_TURN = Retry(FailureKind.QPS, "card: too many calls at once")


@dataclass(frozen=True, slots=True)
class AnswerCards:
    """What writes to the cards of one robot.

    Args:
        api: of the robot.
        rate: of its application's calls.
        template_id: of an AI card; its robot's application must be allowed to use it.
        key: the variable of the template that the streaming Markdown is bound to.
    """

    api: CardApi
    rate: CallRate
    template_id: str
    key: str

    async def create(self, message_id: str, space: Space, text: str) -> CardOutcome:
        """Create the card of a message, with text on it: an empty one may stay blank."""
        if not await self.rate.wait(longest_s=LONGEST_WAIT_S):
            return _NO_TURN
        params = {
            self.key: text,
            "flowStatus": _GROWING,
            "config": json.dumps({"autoLayout": True}),
        }
        card = NewCard(_track_id(message_id), self.template_id, space, params)
        return await self._rated(await self.api.create(card))

    async def may_grow(self) -> bool:
        """Whether it is the turn of a call that need not be made."""
        return await self.rate.wait(longest_s=0)

    async def grow(self, message_id: str, text: str) -> CardOutcome:
        """Show the text so far."""
        return await self._rated(await self._stream(message_id, text, is_last=False))

    async def end(self, message_id: str, text: str) -> CardOutcome:
        """Show the last text, and end the card.

        By two calls: a client that was not there for the first shows what the second has set.
        """
        if not await self.rate.wait(longest_s=LONGEST_WAIT_S):
            return _NO_TURN
        outcome = await self._rated(await self._stream(message_id, text, is_last=True))
        if not isinstance(outcome, Delivered):
            return outcome
        await asyncio.sleep(SETTLE_S)
        if not await self.rate.wait(longest_s=LONGEST_WAIT_S):
            return _NO_TURN
        params = {self.key: text, "flowStatus": _ENDED}
        return await self._rated(await self.api.update(_track_id(message_id), params))

    async def _stream(self, message_id: str, text: str, *, is_last: bool) -> CardOutcome:
        return await self.api.stream(
            _track_id(message_id),
            guid=secrets.token_hex(16),
            key=self.key,
            content=text,
            is_finalize=is_last,
        )

    async def _rated(self, outcome: CardOutcome) -> CardOutcome:
        if isinstance(outcome, Retry) and outcome.kind is FailureKind.QPS:
            await self.rate.pause()
        return outcome


def _track_id(message_id: str) -> str:
    """DingTalk's id of a message's card: the same for every worker and attempt."""
    return f"dingda-answer-{message_id[:_ID_DIGITS]}"
