"""A custom robot (自定义机器人) of a group, by its webhook: takes what a session takes."""

import json
from collections.abc import Callable
from urllib.parse import quote

from dingda.shared.dingtalk.signature import sign
from dingda.worker.delivery.classify import classify
from dingda.worker.delivery.outcome import DeliveryOutcome
from dingda.worker.delivery.post import POST_TIMEOUT_S, PostResponse, post
from dingda.worker.delivery.transport import BeforeSend, Transport


class CustomRobot:
    """Sends texts to the group that a custom robot is in.

    DingTalk: "custom-robots-send-group-messages", and "customize-robot-security-settings" for the
    signature, which is that of callbacks, but in the query.

    Args:
        transport: see `post.create_reply_transport`.
        webhook: `…/robot/send?access_token=…`; its origin has been checked.
        secret: signs requests, where the robot's security setting asks for that; else "".
        now_ms: the clock, in ms since 1970.
    """

    def __init__(
        self, transport: Transport, *, webhook: str, secret: str, now_ms: Callable[[], int]
    ) -> None:
        self._transport = transport
        self._webhook = webhook
        self._secret = secret
        self._now_ms = now_ms

    async def send(self, text: str) -> DeliveryOutcome:
        """Send a text, once; a network error is an outcome."""
        body = json.dumps({"msgtype": "text", "text": {"content": text}}, ensure_ascii=False)
        return await self.post(body.encode(), before_send=_unclaimed, timeout_s=POST_TIMEOUT_S)

    async def post(
        self, body: bytes, *, before_send: BeforeSend, timeout_s: float
    ) -> DeliveryOutcome:
        """Send a message that `reply.to_body` made, once; see `SendChannel.send`."""
        response = await post(
            self._transport, self._url(), body, before_send=before_send, timeout_s=timeout_s
        )
        if not isinstance(response, PostResponse):
            return response
        return classify(response.status, response.retry_after_s, response.body)

    def _url(self) -> str:
        if not self._secret:
            return self._webhook
        timestamp = str(self._now_ms())
        signature = quote(sign(timestamp, self._secret), safe="")
        return f"{self._webhook}&timestamp={timestamp}&sign={signature}"


async def _unclaimed() -> None:
    """Who may send is decided before."""
