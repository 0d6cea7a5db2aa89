"""Encoding a response, whichever it is: a message, or a card whose buttons act."""

import logging
from dataclasses import replace

from dingda.shared import texts
from dingda.shared.dingtalk.card import Card
from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import ActionCard, Text
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.states import PreparedReply
from dingda.worker.answering.cards import RobotCards
from dingda.worker.answering.error_replies import failed
from dingda.worker.answering.outgoing import OutgoingReply, compose
from dingda.worker.answering.response import Response
from dingda.worker.answering.safe_reply import safe_detail
from dingda.worker.delivery.card_api import Space
from dingda.worker.delivery.channel import Channel
from dingda.worker.language.text import localizer

logger = logging.getLogger(__name__)


async def encode_response(
    response: Response, message: Message, cards: RobotCards | None, *, max_parts: int
) -> OutgoingReply:
    """Encode a response; a card is stored first, so that no press of it comes too early.

    Args:
        response: its reply can be encoded, see `response.as_reply`.
        message: the one that it answers.
        cards: the robot's.
        max_parts: how many messages it may be sent in.
    """
    if not isinstance(response.reply, Card):
        return compose(response, message, max_parts=max_parts)
    if cards is None:
        return _not_shown(InvalidReplyError("card", "the robot has none"), response, message)
    try:
        is_single = response.private or not message.is_group
        staff_id = message.sender_staff_id
        shown = await cards.prepare(
            response.reply.content(),
            key=message.id,
            space=Space("", staff_id) if is_single else Space(message.conversation_id),
            staff_id=staff_id,
        )
    except InvalidReplyError as error:
        return _not_shown(error, response, message)
    if isinstance(shown, ActionCard):
        return compose(replace(response, reply=shown), message, max_parts=max_parts)
    return OutgoingReply(
        PreparedReply(shown.to_body(), response.completion),
        channel=Channel.CARD,
        # Another attempt calls the skill again: it is the same card then, whatever is returned.
        persist=False,
        dialogue_after=response.dialogue_after,
    )


def _not_shown(error: InvalidReplyError, response: Response, message: Message) -> OutgoingReply:
    """What the sender gets instead of a card that can't be made."""
    detail = safe_detail(f"invalid reply: {error}")
    logger.error("a skill made an %s", detail)
    apology = Text(localizer(like=message.text)(texts.CARD_NOT_SHOWN))
    return compose(
        replace(response, reply=apology, completion=failed(detail)), message, max_parts=1
    )
