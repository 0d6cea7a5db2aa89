"""One push, from its lease to its end: it is encoded, and sent like a reply."""

from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion
from dingda.worker.answering.attempt import PushAttempt
from dingda.worker.answering.lease_keeper import LeaseKeeper
from dingda.worker.answering.offering import encode_push
from dingda.worker.answering.outgoing import OutgoingReply
from dingda.worker.answering.sending import Sender
from dingda.worker.delivery.channel import Channel


class PushRunner:
    """Takes pushes as far as they go.

    Args:
        ledger: the truth about everything that was accepted.
        lease_keeper: finishes.
        sender: sends.
        reply_parts: how many messages one push may be sent in.
    """

    def __init__(
        self, ledger: Ledger, lease_keeper: LeaseKeeper, sender: Sender, *, reply_parts: int
    ) -> None:
        self._ledger = ledger
        self._lease_keeper = lease_keeper
        self._sender = sender
        self._reply_parts = reply_parts

    async def advance(self, attempt: PushAttempt) -> None:
        """Send a push, when those before it to the same target have ended."""
        lease, push = attempt.lease, attempt.push
        if not lease.is_first and await self._ledger.park(lease):
            return
        if lease.prepared:
            await self._sender.send(attempt, OutgoingReply(lease.prepared, channel=Channel.PUSH))
            return
        robot = attempt.robot
        match await encode_push(push, lease.id, robot, max_parts=self._reply_parts):
            case Completion() as completion:
                await self._lease_keeper.finish(lease, completion, facts=attempt.facts)
            case OutgoingReply() as reply:
                await self._sender.send(attempt, reply)
