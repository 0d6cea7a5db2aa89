"""Replies to the conversation that a message came from, by its sessionWebhook."""

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.origin import origin_of
from dingda.shared.errors import InvalidOriginError
from dingda.worker.delivery.classify import classify
from dingda.worker.delivery.outcome import DeliveryOutcome, Rejected
from dingda.worker.delivery.post import PostResponse, post
from dingda.worker.delivery.transport import BeforeSend, Transport


class WebhookChannel:
    """A `SendChannel` to sessionWebhooks and nowhere else; its bodies are made by `reply.to_body`.

    Args:
        transport: see `post.create_reply_transport`.
        origins: the only origins to POST to, as `shared.dingtalk.origin` spells them.
    """

    def __init__(self, transport: Transport, *, origins: Collection[str]) -> None:
        self._transport = transport
        self._origins = origins

    async def send(
        self, message: Message, body: bytes, *, before_send: BeforeSend, timeout_s: float
    ) -> DeliveryOutcome:
        """Send a reply to where the message came from, once; see `SendChannel`."""
        url = message.session_webhook
        if not self._allows(url):
            return Rejected("origin: not one of DINGDA_SESSION_WEBHOOK_ORIGINS")
        response = await post(
            self._transport, url, body, before_send=before_send, timeout_s=timeout_s
        )
        if not isinstance(response, PostResponse):
            return response
        return classify(response.status, response.retry_after_s, response.body)

    def expect(self, message: Message) -> AbstractContextManager[None]:
        """Keep a connection ready; see `SendChannel`."""
        url = message.session_webhook
        return self._transport.expect(url) if self._allows(url) else nullcontext()

    def _allows(self, url: str) -> bool:
        try:
            return origin_of(url) in self._origins
        except InvalidOriginError:
            return False
