"""Limits what a captured signature can be used for.

DingTalk signs the time and not the message ("receive-message"), so a captured callback would let
others be forged for an hour. Two real messages may share a millisecond and so a signature; dozens
do not.
"""

from http import HTTPStatus

from dingda.gateway.http.rejection import RejectedError
from dingda.shared.dingtalk.message import Envelope

MESSAGES_A_SIGNATURE = 10
"""Distinct messages that one signature vouches for, in one gateway process."""
BYTES_A_SIGNATURE = 4 * 1024 * 1024
"""How much is parsed for one signature: an ordinary message thousands of times, the largest 16."""
_REMEMBERED = 20_000
"""Signatures remembered; the oldest goes first."""


class SeenSignature:
    """What one signature has come with so far."""

    __slots__ = ("_bytes_left", "_messages")

    def __init__(self) -> None:
        self._bytes_left = BYTES_A_SIGNATURE
        self._messages: tuple[str, ...] = ()  # of one id: a set takes 170 bytes more

    def admit(self, size: int) -> None:
        """Let a body of so many bytes be parsed.

        Raises:
            RejectedError: if the signature has come with too many bytes already.
        """
        if self._bytes_left < size:
            detail = f"this signature came with {BYTES_A_SIGNATURE} bytes already"
            raise RejectedError(HTTPStatus.UNAUTHORIZED, "replay", detail)
        self._bytes_left -= size

    def check(self, envelope: Envelope) -> None:
        """Let a message be stored that the signature may vouch for; it may come again.

        Raises:
            RejectedError: if the signature has come with too many others.
        """
        if envelope.id not in self._messages:
            if len(self._messages) >= MESSAGES_A_SIGNATURE:
                detail = f"this signature came with {MESSAGES_A_SIGNATURE} other messages already"
                raise RejectedError(HTTPStatus.UNAUTHORIZED, "replay", detail)
            self._messages += (envelope.id,)


class ReplayGuard:
    """Remembers signatures."""

    def __init__(self) -> None:
        self._signatures: dict[bytes, SeenSignature] = {}

    def find(self, sign: bytes) -> SeenSignature:
        """What is known of a signature that has been verified."""
        signature = self._signatures.get(sign)
        if signature is None:
            if len(self._signatures) >= _REMEMBERED:
                del self._signatures[next(iter(self._signatures))]
            signature = self._signatures[sign] = SeenSignature()
        return signature
