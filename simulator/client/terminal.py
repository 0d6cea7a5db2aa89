"""Speaking to the bot from a terminal, through a running simulator."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from textwrap import indent

from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.client.rendering import render_card, render_reply, visible
from dingda.simulator.dingtalk.card import Card
from dingda.simulator.dingtalk.record import Ack, Record, Reply
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import RequestRejectedError

SUCCESS, FAILURE = 0, 1
_MARGIN = " " * 9
_WARNINGS = {
    "html": "HTML in markdown: a PC shows it, phones show an empty message",
    "font": "phones take no colour but <font color=#FF0000>, six digits without quotes",
}


async def say(
    client: SimulatorClient, message: UserMessage | bytes, *, wait_s: float, as_json: bool
) -> int:
    """Send one message and print what comes back.

    Args:
        client: speaks to the simulator.
        message: the message, or a callback's body.
        wait_s: how long to wait for a reply to show, in seconds.
        as_json: whether to print the record instead, as one JSON object.

    Returns:
        The exit status: 0 if the gateway took the message, and DingTalk whatever replied to it.
    """
    send = client.send_callback(message) if isinstance(message, bytes) else client.send(message)
    record = await send
    if not record.over:
        record = await client.record(record.msg_id, wait_s=wait_s)
    if as_json:
        print(record.to_json().decode())
    else:
        print(render_record(record, await _pushes_since(client, record), wait_s=wait_s))
    return FAILURE if not record.acknowledged or _only_refused(record) else SUCCESS


def chat(
    open_client: Callable[[], SimulatorClient], template: UserMessage, *, wait_s: float
) -> int:
    """Hold a conversation on standard input and output, until an empty line or the input's end.

    Args:
        open_client: makes a client; one a message, because each has an event loop of its own.
        template: the messages' sender and conversation; its text does not matter.
        wait_s: how long to wait for each reply, in seconds.

    Returns:
        The exit status: 1 if any message failed.
    """
    statuses = [SUCCESS]
    # Lines are read outside the loop: a thread that waits for input could not be interrupted.
    try:
        for line in _lines(f"{template.sender}> "):
            message = replace(template, text=line)
            statuses.append(asyncio.run(_exchange(open_client, message, wait_s)))
    except KeyboardInterrupt:
        print()
    return max(statuses)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the bot has sent of its own accord since a message: a card, or another message."""

    record: Record
    card: Card | None = None


def render_record(record: Record, pushes: Sequence[Pushed] = (), *, wait_s: float) -> str:
    """Draw a record: the acknowledgement, the replies, and their times.

    Args:
        record: of the message.
        pushes: what the bot has sent since, to anybody.
        wait_s: how long a reply was waited for, in seconds.
    """
    names = {str(record.callback.get("senderStaffId")): record.said.sender}
    replies = [reply for reply in (record.in_callback_reply, *record.replies) if reply]
    parts = [_drawn_ack(record.ack)] if record.ack else []
    parts += [_drawn_reply(reply, names) for reply in replies]
    parts += [f"emotion  {visible(emotion)}" for emotion in record.reactions]
    parts += [_drawn_push(push, record, names) for push in pushes]
    is_answered = record.shown or any(_is_beside(push.record, record) for push in pushes)
    if record.acknowledged and not is_answered:
        parts.append(_drawn_silence(record, wait_s))
    return "\n".join(parts)


async def _pushes_since(client: SimulatorClient, record: Record) -> list[Pushed]:
    cards = {card.out_track_id: card for card in await client.cards()}
    return [
        Pushed(each, cards.get(each.card))
        for each in await client.records()
        if not each.prompted and each.sent_at_ms >= record.sent_at_ms
    ]


def _is_beside(push: Record, record: Record) -> bool:
    """Whether a push is in the conversation of a message."""
    return _conversation(push) == _conversation(record)


def _conversation(record: Record) -> str:
    return record.said.sender if record.said.single else "the group"


async def _exchange(
    open_client: Callable[[], SimulatorClient], message: UserMessage, wait_s: float
) -> int:
    async with open_client() as client:
        try:
            return await say(client, message, wait_s=wait_s, as_json=False)
        except RequestRejectedError as error:
            print(error)
            return FAILURE


def _lines(prompt: str) -> Iterator[str]:
    interactive = sys.stdin.isatty()
    while line := _line(prompt if interactive else ""):
        if not interactive:
            print(f"{prompt}{line}")
        yield line
        print()


def _line(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError:
        return ""


def _only_refused(record: Record) -> bool:
    return bool(record.replies or record.in_callback_reply) and not record.shown


def _drawn_ack(ack: Ack) -> str:
    failure = "" if ack.ok else " (the gateway did not take the message)"
    return f"ack      {ack.status} after {ack.after_ms} ms: {visible(ack.body)}{failure}"


def _drawn_silence(record: Record, wait_s: float) -> str:
    if record.story and record.story.ended:
        why = f" ({record.story.reason})" if record.story.reason else ""
        return f"no reply: the message is {record.story.state}{why}"
    facts = ["DingTalk took none"] if _only_refused(record) else []
    if record.story:  # without a ledger, nobody knows
        retries = record.story.retry_at_ms is not None
        facts.append("the bot will try again" if retries else "the message is still open")
    why = f": {', and '.join(facts)}" if facts else ""
    return f"no reply within {wait_s:g} s{why}"


def _drawn_push(push: Pushed, record: Record, names: dict[str, str]) -> str:
    after_ms = push.record.sent_at_ms - record.sent_at_ms
    place = f"after {after_ms} ms, to {visible(_conversation(push.record))}"
    if push.card:
        drawn = render_card(push.card, str(record.callback.get("senderStaffId")))
        return f"card     {place}: {push.card.state}\n{indent(drawn, _MARGIN)}"
    (reply,) = push.record.replies
    kind = (reply.payload or {})["msgtype"]
    return f"push     {place}: {kind}\n{indent(render_reply(reply, names), _MARGIN)}"


def _drawn_reply(reply: Reply, names: dict[str, str]) -> str:
    if not reply.shown:
        why = f"errcode {reply.errcode}, {reply.errmsg}"
        return f"refused  after {reply.after_ms} ms: {why}"
    kind = (reply.payload or {})["msgtype"]
    drawn = indent(render_reply(reply, names), _MARGIN)
    warned = "".join(f"\nwarning  {_WARNINGS[each]}" for each in reply.warnings)
    return f"reply    after {reply.after_ms} ms: {kind}\n{drawn}{warned}"
