"""A bound on what a captured signature is good for.

DingTalk signs the time and not the message ("receive-message"), so who has seen one callback could
forge any others for an hour. Two real messages may share a millisecond and so a signature; dozens
do not.
"""

from http import HTTPStatus

from dingda.gateway.http.rejection import RejectedError

MESSAGES_A_SIGNATURE = 10
"""Distinct messages that one signature vouches for, in one gateway process."""
BYTES_A_SIGNATURE = 4 * 1024 * 1024
"""How much is parsed for one signature: an ordinary message thousands of times, the largest 16."""
_REMEMBERED = 20_000
"""Signatures remembered; the oldest goes first."""


class _Vouched:
    __slots__ = ("bytes_left", "messages")

    def __init__(self) -> None:
        self.bytes_left = BYTES_A_SIGNATURE
        self.messages: set[str] = set()


class ReplayGuard:
    """Remembers what came with which signature."""

    def __init__(self) -> None:
        self._vouched: dict[bytes, _Vouched] = {}

    def admit(self, signature: bytes, size: int) -> None:
        """Let a body be parsed.

        Args:
            signature: what vouches for it.
            size: of the body, in bytes.

        Raises:
            RejectedError: if the signature has come with too much already.
        """
        vouched = self._vouched.get(signature)
        if vouched is None:
            if len(self._vouched) >= _REMEMBERED:
                del self._vouched[next(iter(self._vouched))]
            vouched = self._vouched[signature] = _Vouched()
        if vouched.bytes_left < size:
            detail = f"this signature came with {BYTES_A_SIGNATURE} bytes already"
            raise RejectedError(HTTPStatus.UNAUTHORIZED, "replay", detail)
        vouched.bytes_left -= size

    def check(self, signature: bytes, message_id: str) -> None:
        """Let an admitted message pass that its signature may vouch for; it may come again.

        Raises:
            RejectedError: if the signature came with too many others.
        """
        messages = self._vouched[signature].messages
        if message_id not in messages:
            if len(messages) >= MESSAGES_A_SIGNATURE:
                detail = f"this signature came with {MESSAGES_A_SIGNATURE} other messages already"
                raise RejectedError(HTTPStatus.UNAUTHORIZED, "replay", detail)
            messages.add(message_id)
