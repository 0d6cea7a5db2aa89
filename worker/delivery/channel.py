"""The seam of sending: the protocol of every way to send a reply to DingTalk."""

from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Protocol

from dingda.shared.dingtalk.message import Message
from dingda.worker.delivery.outcome import DeliveryOutcome
from dingda.worker.delivery.transport import BeforeSend


class Channel(StrEnum):
    """The ways to send a reply."""

    WEBHOOK = "webhook"
    """To the message's session: the conversation that it came from."""
    PRIVATE = "private"
    """To the sender alone, in the single chat with the robot."""
    CARD = "card"
    """As a card of DingTalk's; its creation is a state write, and is not claimed."""
    PUSH = "push"
    """To whomever a push names: no message is answered."""
    GROWING_CARD = "growing card"
    """On the card that the answer grew on. It is no `SendChannel`: its writes may be repeated."""


class Send(Protocol):
    """Sends one body to one recipient: `SendChannel.send`, once its message is given."""

    async def __call__(
        self, body: bytes, *, before_send: BeforeSend, timeout_s: float
    ) -> DeliveryOutcome:
        """Send the body, once."""


class SendChannel(Protocol):
    """One way to send a reply: at most once, and only with a claim."""

    async def send(
        self, message: Message, body: bytes, *, before_send: BeforeSend, timeout_s: float
    ) -> DeliveryOutcome:
        """Send a reply, once.

        Args:
            message: the one to reply to; it says where the reply goes.
            body: the reply in this channel's encoding.
            before_send: claims the right to send; awaited once the connection is open and before
                the first byte is written.
            timeout_s: seconds until the deadline.

        Returns:
            The outcome; a network error is an outcome, never an exception.

        Raises:
            LeaseLostError: what `before_send` raises to stop it.
        """

    def expect(self, message: Message) -> AbstractContextManager[None]:
        """Keep a connection ready while the reply to a message is made.

        For as long as the context is open, the connection that `send` will use is opened, and
        replaced when it gets old. So a reply that takes as long as a handshake costs one round
        trip. Nothing is claimed or sent; what goes wrong here is told by `send` alone.
        """
