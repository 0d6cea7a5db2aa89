"""DingTalk's limit on how often a robot replies."""

from collections import deque

WINDOW_MS = 60_000
PENALTY_MS = 600_000
"""DingTalk: after more than 20 messages in a minute, a robot is throttled for ten."""


class ReplyThrottle:
    """Counts one conversation's replies over the last minute.

    Args:
        replies_per_minute: the limit.
    """

    def __init__(self, replies_per_minute: int) -> None:
        self._taken_ms: deque[int] = deque(maxlen=replies_per_minute)
        self._until_ms = 0

    def takes(self, now_ms: int) -> bool:
        """Whether a reply may pass now; if so, it is counted.

        Args:
            now_ms: the current time, in ms since 1970.
        """
        if now_ms < self._until_ms:
            return False
        full = len(self._taken_ms) == self._taken_ms.maxlen
        if full and now_ms - self._taken_ms[0] < WINDOW_MS:
            self._until_ms = now_ms + PENALTY_MS
            return False
        self._taken_ms.append(now_ms)
        return True
