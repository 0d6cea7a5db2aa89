"""Replies to the conversation that a message came from, by its sessionWebhook."""

from collections.abc import Collection

import httpx

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.origin import origin_of
from dingda.shared.errors import InvalidOriginError
from dingda.worker.delivery.classify import classify
from dingda.worker.delivery.outcome import DeliveryOutcome, Rejected
from dingda.worker.delivery.post import PostResponse, post
from dingda.worker.delivery.transport import BeforeSend


class WebhookChannel:
    """A `SendChannel` to sessionWebhooks and nowhere else; its bodies are made by `reply.to_body`.

    Args:
        client: see `post.create_reply_client`.
        origins: the only origins to POST to, as `shared.dingtalk.origin` spells them.
    """

    def __init__(self, client: httpx.AsyncClient, *, origins: Collection[str]) -> None:
        self._client = client
        self._origins = origins

    async def send(
        self, message: Message, body: bytes, *, before_send: BeforeSend, timeout_s: float
    ) -> DeliveryOutcome:
        """Send a reply to where the message came from, once; see `SendChannel`."""
        url = message.session_webhook
        if not self._allows(url):
            return Rejected("origin: not one of DINGDA_SESSION_WEBHOOK_ORIGINS")
        response = await post(self._client, url, body, before_send=before_send, timeout_s=timeout_s)
        if not isinstance(response, PostResponse):
            return response
        return classify(response.status, response.retry_after_s, response.body)

    def _allows(self, url: str) -> bool:
        try:
            return origin_of(url) in self._origins
        except InvalidOriginError:
            return False
