"""Messages in a ledger: accepted, or ended."""

from typing import Any

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome
from dingda.shared.queue import JobQueue
from tests.support.builders import a_callback, a_message

FAILED = Completion(Outcome.DEAD, DeadReason.FAILED, "errcode 300001")
QUEUE = JobQueue.create("dingda", skill_timeout_s=30)


async def accepted(ledger: Ledger, text: str = "天气 北京", **fields: Any) -> Message:
    body = a_callback(text, **fields)
    message = a_message(text, **fields)
    await ledger.accept([(message, body)], backlog_limit=100)
    return message


async def ended(ledger: Ledger, completion: Completion = FAILED, **fields: Any) -> Message:
    message = await accepted(ledger, **fields)
    lease = await ledger.lease(message.id)
    assert isinstance(lease, Lease)
    await ledger.finish(lease, completion)
    return message
