"""Messages in a ledger: accepted, or ended."""

from typing import Any

from dingda.shared.dingtalk.message import Envelope, Message
from dingda.shared.dingtalk.notification import LIFE_MS, event_payload
from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome
from dingda.shared.queue import JobQueue
from tests.support.builders import a_callback, a_message, an_event, event_headers, now_ms

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


async def event_ended(ledger: Ledger, completion: Completion = FAILED, retries: int = 0) -> str:
    """Let an event that a skill hooks end, after so many retries; returns its id in the ledger."""
    event_id, payload = "e" * 64, event_payload("dingrobot", event_headers(), an_event())
    facts = MessageFacts.of_payload(payload, skill="chats", error="KeyError").to_json()
    envelope = Envelope(event_id, "", now_ms() + LIFE_MS)
    await ledger.accept([(envelope, payload)], backlog_limit=100)
    for _ in range(retries):
        lease = await ledger.lease(event_id)
        assert isinstance(lease, Lease)
        await ledger.retry(lease, pause_ms=0, prepared=None, kinds=("chats",), facts=facts)
    lease = await ledger.lease(event_id)
    assert isinstance(lease, Lease)
    await ledger.finish(lease, completion, facts=facts)
    return event_id
