"""Cards as replies: created under an id of our own, as often as it takes, and shown once."""

from contextlib import AbstractContextManager, nullcontext

from dingda.shared.dingtalk.message import Message
from dingda.worker.delivery.card_api import CardApi, NewCard
from dingda.worker.delivery.outcome import DeliveryOutcome
from dingda.worker.delivery.transport import BeforeSend


class CardChannel:
    """A `SendChannel` of cards; its bodies are those of `NewCard.to_body`.

    It claims nothing. A claim is for what must not be sent twice, and ends as *unknown* where its
    worker dies; a card that is created again under its id is the same card.

    Args:
        api: the robot's.
    """

    def __init__(self, api: CardApi) -> None:
        self._api = api

    async def send(
        self, recipient: object, body: bytes, *, before_send: BeforeSend, timeout_s: float
    ) -> DeliveryOutcome:
        """Show a card; see `SendChannel`. Whoever it is for is in its body."""
        del recipient, before_send, timeout_s  # nothing is claimed, and each call has its own time
        return await self._api.create(NewCard.from_body(body))

    def expect(self, _: Message) -> AbstractContextManager[None]:
        """Open nothing ahead; see `SendChannel`."""
        return nullcontext()
