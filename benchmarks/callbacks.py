"""Callbacks as DingTalk sends them: distinct, and a few at a time share a signature."""

import time
import uuid

from dingda.shared.dingtalk.signature import sign
from dingda.simulator.testing.sample import a_callback

SECRET = "the-benchmarks-own-secret"
PATH = "/dd_robot/"

_NUMBER = "{number}"
_A_SIGNATURE = 5
"""Messages that share one. Twenty in one millisecond never come in earnest, and the gateway would
take most of them for a replay; so the timestamps are spread over an earlier time."""
_EARLIER_MS = 600_000
# Brings a body to 850 bytes, about the size of real ones.
_TITLE = "基准测试群" + "-" * 73


class Callbacks:
    """Makes the bytes of callbacks.

    Args:
        host: host and port of the gateway.
        text: what each message says.
        origin: scheme, host and port of the sessionWebhooks; each names its message's number.
    """

    def __init__(self, host: str, *, text: str, origin: str) -> None:
        self._host = host
        template = a_callback(
            text,
            msgId=f"msg{uuid.uuid4().hex}{_NUMBER}==",
            # Each from another sender: one sender's messages are answered one after the other.
            senderId=f"$:LWCP_v1:${_NUMBER}",
            sessionWebhook=f"{origin}/robot/sendBySession?session={_NUMBER}",
            conversationTitle=_TITLE,
        )
        self._parts = template.split(_NUMBER.encode())
        self._signed_ms = time.time_ns() // 1_000_000 - _EARLIER_MS
        self._signed = 0
        self._head = b""

    def body(self, number: int) -> bytes:
        """The body of one message; below 10 ** 8, all have the same length."""
        return (b"%08d" % number).join(self._parts)

    def request(self, number: int) -> bytes:
        """A whole HTTP request."""
        body = self.body(number)
        if self._signed % _A_SIGNATURE == 0:
            self._signed_ms += 1
            self._head = self._signed_head(str(self._signed_ms), len(body))
        self._signed += 1
        return self._head + body

    def _signed_head(self, timestamp: str, length: int) -> bytes:
        return (
            f"POST {PATH} HTTP/1.1\r\nhost: {self._host}\r\n"
            "content-type: application/json; charset=utf-8\r\n"
            f"content-length: {length}\r\n"
            f"timestamp: {timestamp}\r\nsign: {sign(timestamp, SECRET)}\r\n\r\n"
        ).encode()
