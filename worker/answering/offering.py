"""Encoding a response, whichever it is: a message, or a card whose buttons act."""

import logging
from dataclasses import replace

from dingda.shared import texts
from dingda.shared.dingtalk.card import Card
from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.push import Push
from dingda.shared.dingtalk.reply import ActionCard, Text
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.states import Completion, PreparedReply
from dingda.worker.answering.cards import RobotCards
from dingda.worker.answering.error_replies import failed
from dingda.worker.answering.outgoing import OutgoingReply, compose, compose_push
from dingda.worker.answering.response import ANSWERED, Response
from dingda.worker.answering.robots import AnsweringRobot
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


async def encode_push(
    push: Push, push_id: str, robot: AnsweringRobot, *, max_parts: int
) -> OutgoingReply | Completion:
    """Encode a push; a card is stored first, as of a response.

    Args:
        push: what is said, and to whom.
        push_id: its id in the ledger.
        robot: the one that speaks.
        max_parts: how many messages it may be sent in.

    Returns:
        What is sent; or how the push ends, if it is a card that can't be made.
    """
    reply, by_openapi = push.reply, robot.push.goes_by_openapi(push.target)
    if isinstance(reply, Card):
        space = robot.push.space_of(push.target)
        if space is None or robot.cards is None:
            return failed("push: a custom robot shows no cards")
        try:
            shown = await robot.cards.prepare(
                reply.content(), key=push_id, space=space, staff_id=space.staff_id
            )
        except InvalidReplyError as error:
            return failed(safe_detail(f"invalid reply: {error}"))
        if not isinstance(shown, ActionCard):
            prepared = PreparedReply(shown.to_body(), ANSWERED)
            return OutgoingReply(prepared, channel=Channel.CARD, persist=False)
        reply = shown
    return compose_push(reply, by_openapi=by_openapi, max_parts=max_parts)


def _not_shown(error: InvalidReplyError, response: Response, message: Message) -> OutgoingReply:
    """What the sender gets instead of a card that can't be made."""
    detail = safe_detail(f"invalid reply: {error}")
    logger.error("a skill made an %s", detail)
    apology = Text(localizer(like=message.text)(texts.CARD_NOT_SHOWN))
    return compose(
        replace(response, reply=apology, completion=failed(detail)), message, max_parts=1
    )
