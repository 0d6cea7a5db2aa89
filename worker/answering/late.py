"""Replies to messages whose session has closed: they are pushed to where the message came from."""

import json
import logging
from collections.abc import Callable

from redis.exceptions import RedisError

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.push import Group, Target, User
from dingda.shared.dingtalk.reply_reading import read_reply
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.states import PreparedReply
from dingda.worker.errors import BackendError
from dingda.worker.services.pusher import Pusher

logger = logging.getLogger(__name__)


class LateReplies:
    """Pushes what comes too late for a session, where the robot can push.

    Args:
        pusher: accepts the pushes, which are sent once, like any.
        why_not: why nothing can be pushed to a target; "" if it can.
    """

    def __init__(self, pusher: Pusher, why_not: Callable[[Target], str]) -> None:
        self._pusher = pusher
        self._why_not = why_not

    def reaches(self, message: Message) -> bool:
        """Whether a reply to a message may be pushed."""
        target = _target(message)
        return target is not None and not self._why_not(target)

    async def push(self, message: Message, prepared: PreparedReply) -> bool:
        """Push what is left of a reply.

        Args:
            message: the one that it answers.
            prepared: encoded for the message's session.

        Returns:
            Whether all of it has been accepted: as often as this is called, it is shown once.
        """
        target = _target(message)
        if target is None or self._why_not(target):
            return False
        bodies = (prepared.body, *prepared.rest)
        try:
            for part, body in enumerate(bodies, start=prepared.shown + 1):
                reply = read_reply(json.loads(body))
                await self._pusher.push(target, reply, key=f"late {message.id} {part}")
        except (BackendError, InvalidReplyError, RedisError, OSError) as error:
            logger.warning("a late reply can't be pushed (%s)", type(error).__name__)
            return False
        logger.info("its session has closed, so its reply is pushed")
        return True


def _target(message: Message) -> Target | None:
    """Where a message came from; None where DingTalk does not say."""
    try:
        if message.is_group:
            return Group(message.conversation_id)
        return User(message.sender_staff_id)
    except InvalidReplyError:
        return None
