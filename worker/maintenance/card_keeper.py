"""The keeper of cards, in every worker: it shows what a card should show and does not yet.

A card whose time is over says so; and one whose decision was stored by a worker that died, or could
not be shown for now, shows it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

from dingda.shared.errors import DingdaError
from dingda.shared.ledger.cards import CardLedger, CardRecord
from dingda.shared.runtime.logs import class_name

logger = logging.getLogger(__name__)

INTERVAL_S = 5.0

ShowCard = Callable[[CardRecord], Awaitable[None]]
"""Changes a card of whichever robot, and notes that it is shown."""


async def keep_cards_forever(
    cards: CardLedger, show: ShowCard, *, interval_s: float = INTERVAL_S
) -> None:
    """Look for such cards every `interval_s` seconds until cancelled; an outage is waited out."""
    while True:
        try:
            await show_due_cards(cards, show)
        except (RedisError, OSError) as error:
            logger.warning("could not look for cards: %s", type(error).__name__)
        await asyncio.sleep(interval_s)


async def show_due_cards(cards: CardLedger, show: ShowCard) -> None:
    """Show all cards that are due, one after the other: DingTalk counts calls by the second."""
    for card in await cards.take_due():
        try:
            await show(card)
        except (DingdaError, ValueError) as error:
            logger.error("a card can't be shown: %s", class_name(error))
