"""The seam of sending: every way by which a reply leaves for DingTalk looks like this."""

from typing import Protocol

from dingda.shared.dingtalk.message import Message
from dingda.worker.delivery.outcome import DeliveryOutcome
from dingda.worker.delivery.transport import BeforeSend


class SendChannel(Protocol):
    """One way to send a reply: at most once, and only with a claim."""

    async def send(
        self, message: Message, body: bytes, *, before_send: BeforeSend, timeout_s: float
    ) -> DeliveryOutcome:
        """Send a reply, once.

        Args:
            message: the one that is replied to; it says where the reply goes.
            body: the reply, as this channel's encoding of it.
            before_send: claims the right to send; awaited once the connection is open and before
                the first byte is written.
            timeout_s: seconds until it is too late.

        Returns:
            What became of it; network trouble is an outcome, never an exception.

        Raises:
            LeaseLostError: what `before_send` raises to stop it.
        """
