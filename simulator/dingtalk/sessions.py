"""The sessions of messages: the address that a reply is POSTed to, and until when.

Every message has a session of its own, though DingTalk lets one conversation's messages share
theirs: so each reply tells which message it answers.
"""

import secrets
from dataclasses import dataclass

from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.record_store import MAX_RECORDS, RecordStore

# In captured callbacks the stated end is 45 to 341 ms later than 90 minutes after `createAt`.
_EXTRA_MS = 188


@dataclass(frozen=True, slots=True)
class Session:
    """The session of one message."""

    token: str
    webhook: str
    """The callback's `sessionWebhook`, which holds the token."""
    expires_ms: int
    """The callback's `sessionWebhookExpiredTime`, in ms since 1970."""


class Sessions:
    """Opens sessions, and finds the message that a reply belongs to.

    Args:
        records: those of the messages; the session of one that is forgotten is closed.
        public_url: where the worker reaches the simulator, without a last slash.
        life_ms: how long after its message a session takes replies.
    """

    def __init__(self, records: RecordStore, *, public_url: str, life_ms: int) -> None:
        self._records = records
        self._public_url = public_url
        self._life_ms = life_ms
        self._msg_ids: dict[str, str] = {}
        """By the session's token."""

    def open(self, now_ms: int) -> Session:
        """Open a session for a message that is sent now, in ms since 1970."""
        token = secrets.token_hex(16)
        webhook = f"{self._public_url}/robot/sendBySession?session={token}"
        return Session(token, webhook, now_ms + self._life_ms + _EXTRA_MS)

    def assign(self, session: Session, msg_id: str) -> None:
        """Say which message a session belongs to."""
        self._msg_ids[session.token] = msg_id
        if len(self._msg_ids) > 2 * MAX_RECORDS:
            self._msg_ids = {
                token: known for token, known in self._msg_ids.items() if self._records.get(known)
            }

    def record_of(self, token: str) -> Record | None:
        """The record of a session's message; None if either is unknown or forgotten."""
        return self._records.get(self._msg_ids.get(token, ""))
