"""Callbacks as DingTalk sends them: distinct, and signed with the moment at which they are sent."""

import time
import uuid

from shared.signature import sign
from tests.builders import a_callback

SECRET = "the-benchmarks-own-secret"
PATH = "/dd_robot/"

_NUMBER = "{number}"
# Brings a body to 850 bytes, about the size of real ones.
_TITLE = "基准测试群" + "-" * 137


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
            sessionWebhook=f"{origin}/robot/sendBySession?session={_NUMBER}",
            conversationTitle=_TITLE,
        )
        self._parts = template.split(_NUMBER.encode())
        self._signed_ms = 0
        self._head = b""

    def body(self, number: int) -> bytes:
        """The body of one message; below 10 ** 8, all have the same length."""
        return (b"%08d" % number).join(self._parts)

    def request(self, number: int) -> bytes:
        """A whole HTTP request, signed now: some messages of one millisecond share a signature."""
        body = self.body(number)
        now_ms = time.time_ns() // 1_000_000
        if now_ms != self._signed_ms:
            self._signed_ms = now_ms
            self._head = self._signed_head(str(now_ms), len(body))
        return self._head + body

    def _signed_head(self, timestamp: str, length: int) -> bytes:
        return (
            f"POST {PATH} HTTP/1.1\r\nhost: {self._host}\r\n"
            "content-type: application/json; charset=utf-8\r\n"
            f"content-length: {length}\r\n"
            f"timestamp: {timestamp}\r\nsign: {sign(timestamp, SECRET)}\r\n\r\n"
        ).encode()
