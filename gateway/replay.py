"""A bound on what a captured signature is good for.

DingTalk signs the time and not the message ("receive-message"), so who has seen one callback could
forge any others for an hour. Two real messages may share a millisecond and so a signature; dozens
do not.
"""

from http import HTTPStatus

from gateway.rejection import RejectedError

MESSAGES_A_SIGNATURE = 10
"""Distinct messages that one signature vouches for, in one gateway process."""
_REMEMBERED = 20_000
"""Signatures remembered; the oldest goes first."""


class ReplayGuard:
    """Remembers which messages came with which signature."""

    def __init__(self) -> None:
        self._vouched: dict[bytes, set[str]] = {}

    def check(self, signature: bytes, message_id: str) -> None:
        """Let a message pass that its signature may vouch for; the same one may come again.

        Raises:
            RejectedError: if the signature came with too many others.
        """
        vouched = self._vouched.get(signature)
        if vouched is None:
            if len(self._vouched) >= _REMEMBERED:
                del self._vouched[next(iter(self._vouched))]
            self._vouched[signature] = {message_id}
        elif message_id not in vouched:
            if len(vouched) >= MESSAGES_A_SIGNATURE:
                detail = f"this signature came with {MESSAGES_A_SIGNATURE} other messages already"
                raise RejectedError(HTTPStatus.UNAUTHORIZED, "replay", detail)
            vouched.add(message_id)
