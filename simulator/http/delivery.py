"""Brings messages to the bot, and waits for what becomes of them."""

import logging

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import CallbackUnansweredError
from dingda.simulator.http.callback_sender import Sender

logger = logging.getLogger(__name__)

NOT_MENTIONED = "From a group DingTalk delivers only what mentions the bot."
_LAST_PARTS_S = 1.0
"""How long to wait for a reply's other parts, once one shows: the ledger may be unreachable."""


class Delivery:
    """Sends callbacks, and notes what the bot responds.

    Args:
        dingtalk: the simulation.
        callback_sender: carries the callbacks to the bot; closed with it.
        changes: announces what is noted.
    """

    def __init__(
        self, dingtalk: Simulation, callback_sender: Sender, changes: ChangeNotifier
    ) -> None:
        self._dingtalk = dingtalk
        self._callback_sender = callback_sender
        self._changes = changes

    @property
    def callback_url(self) -> str:
        """Where the gateway takes callbacks over HTTP."""
        return self._callback_sender.callback_url

    async def aclose(self) -> None:
        """Close what carries the callbacks."""
        await self._callback_sender.aclose()

    async def say(self, message: UserMessage) -> str:
        """Send a message, unless DingTalk would not deliver it; returns its msgId.

        Raises:
            UnknownRobotError: if it names a robot that does not exist.
            CallbackUnansweredError: if the bot does not respond.
        """
        callback = self._dingtalk.send(message)
        if message.reaches_the_bot:
            await self.deliver(callback)
        else:
            await self._note_undelivered(callback, NOT_MENTIONED)
        return callback.msg_id

    async def deliver(self, callback: SignedCallback) -> None:
        """Send a callback.

        Raises:
            CallbackUnansweredError: if the bot does not respond.
        """
        try:
            response = await self._callback_sender.deliver(callback)
        except CallbackUnansweredError as error:
            await self._note_undelivered(callback, str(error), error.reason)
            logger.warning("message %s: %s", callback.msg_id, error)
            raise
        self._dingtalk.note_ack(callback.msg_id, status=response.status, body=response.body)
        logger.info("message %s: answered with status %d", callback.msg_id, response.status)
        await self._changes.announce()

    async def wait_until_settled(self, msg_id: str, *, wait_s: float) -> bool:
        """Wait until a message is answered with all parts of the reply, or is known not to be.

        Returns:
            Whether it is settled by then.
        """
        await self._changes.wait_until(lambda: self._is_settled(msg_id), wait_s=wait_s)
        if wait_s and self._is_settled(msg_id):
            await self._changes.wait_until(lambda: self._is_over(msg_id), wait_s=_LAST_PARTS_S)
        return self._is_settled(msg_id)

    async def _note_undelivered(self, callback: SignedCallback, why: str, reason: str = "") -> None:
        self._dingtalk.note_undelivered(callback.msg_id, why, reason)
        await self._changes.announce()

    def _is_settled(self, msg_id: str) -> bool:
        record = self._dingtalk.record(msg_id)
        return record is None or record.settled

    def _is_over(self, msg_id: str) -> bool:
        record = self._dingtalk.record(msg_id)
        return record is None or record.over
