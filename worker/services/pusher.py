"""Speaking first, as skills see it."""

from typing import Protocol

from dingda.shared.dingtalk.push import Target
from dingda.shared.dingtalk.reply import Reply


class Pusher(Protocol):
    """Accepts pushes of one robot."""

    async def push(self, target: Target, reply: Reply | str, *, key: str) -> bool:
        """Accept a push; it is sent once, whatever dies.

        Args:
            target: a `Group` or a `User`.
            reply: what to say.
            key: tells it from other pushes of the robot; the same key is the same push.

        Returns:
            Whether it is new.

        Raises:
            BackendConfigError: if nothing can be pushed there; the log says why.
            BackendBusyError: if too many messages wait already.
            BackendUnavailableError: if Redis does not take it, or nobody knows whether it has.
            InvalidReplyError: if it is too long, or the key is no key.
        """
