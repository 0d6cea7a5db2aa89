"""The closer, in every worker: it ends the cards of messages that have ended without them.

Such a message is a dead letter, or its answer went another way because the card could not be
written. Without the closer its card would look for ever as if it were being written.
"""

import asyncio
import logging

from redis.exceptions import RedisError

from dingda.shared.ledger.streams import OrphanStream, StreamRecords, StreamState
from dingda.shared.texts import CARD_ENDED_BELOW, INTERRUPTED
from dingda.worker.answering.robots import FindRobot
from dingda.worker.delivery.outcome import Delivered, Rejected
from dingda.worker.language.text import localizer

logger = logging.getLogger(__name__)

INTERVAL_S = 5.0


async def close_forever(
    records: StreamRecords, find_robot: FindRobot, *, interval_s: float = INTERVAL_S
) -> None:
    """Look for such cards every `interval_s` seconds until cancelled."""
    while True:
        try:
            await close_orphans(records, find_robot)
        except (RedisError, OSError) as error:
            logger.warning("could not look for open cards: %s", type(error).__name__)
        await asyncio.sleep(interval_s)


async def close_orphans(records: StreamRecords, find_robot: FindRobot) -> None:
    """End the cards that no message will end. One that can't be written is tried again later."""
    for orphan in await records.claim_orphans():
        robot = find_robot(orphan.robot_code)
        if robot is None or robot.growing is None:
            continue
        outcome = await robot.growing.cards.end(orphan.message_id, last_text(orphan))
        # What DingTalk rejects is not there, or will never show another text.
        if isinstance(outcome, Delivered | Rejected):
            await records.close(orphan.message_id)
        if isinstance(outcome, Delivered):
            logger.info("ended the card of message %.8s", orphan.message_id)
        else:
            logger.warning("the card of %.8s: %s", orphan.message_id, outcome.reason)


def last_text(orphan: OrphanStream) -> str:
    """What such a card shows in the end: what it has shown, and what became of the rest."""
    if orphan.was is StreamState.ENDING and orphan.text:
        return orphan.text
    replaced = orphan.was is StreamState.REPLACED
    said = localizer(like=orphan.text)(CARD_ENDED_BELOW if replaced else INTERRUPTED)
    return "\n\n".join(filter(None, (orphan.text, f"> {said}")))
