"""A message and all that came of it, as lines for a terminal."""

from operator import itemgetter
from textwrap import indent

from dingda.shared.ledger.states import MessageState
from dingda.simulator.client.following import patience_s
from dingda.simulator.client.rendering import render_card, render_reply, visible
from dingda.simulator.dingtalk.card import Card, CardState
from dingda.simulator.dingtalk.exchange import Exchange, Pushed, Workers
from dingda.simulator.dingtalk.record import Ack, Record, Reply

NO_WORKER = "no worker is alive: `dingda worker` starts one, which then answers"
_MARGIN = " " * 9
_GROWING = (CardState.PROCESSING, CardState.TYPING)
_REASONS: dict[str, str] = {MessageState.UNMATCHED: "no skill wants it"}
"""Those of states that need none in the ledger."""
_WARNINGS = {
    "html": "HTML in markdown: a PC shows it, phones show an empty message",
    "font": "phones take no colour but <font color=#FF0000>, six digits without quotes",
}


def draw_news(exchange: Exchange, *, complete: bool = False) -> list[tuple[str, str]]:
    """Draw what there is so far, in the order in which it came.

    Args:
        exchange: the message, and what came after it.
        complete: whether nothing more comes, so that a card is drawn that has not grown to its end.

    Returns:
        What each part is, as a key that no other has and that stays the same; and its lines.
    """
    record = exchange.record
    names = {str(record.callback.get("senderStaffId")): record.said.sender}
    first = [("ack", _ack(record.ack))] if record.ack else []
    if record.in_callback_reply:
        first.append(("in callback", _reply(record.in_callback_reply, names)))
    first += [(f"emotion {each}", f"emotion  {visible(each)}") for each in record.reactions]
    later = [
        (reply.after_ms, f"reply {number}", _reply(reply, names))
        for number, reply in enumerate(record.replies)
    ]
    later += [
        (_after_ms(push, record), push.record.msg_id, _push(push, record, names))
        for push in exchange.pushed
        if complete or not (push.card and push.card.state in _GROWING)
    ]
    return first + [(key, drawn) for _, key, drawn in sorted(later, key=itemgetter(0))]


def draw_end(exchange: Exchange, workers: Workers, *, wait_s: float | None) -> str:
    """Say why there is no reply, or not the last one yet; "" if all has been drawn.

    Args:
        exchange: the message, and what came after it.
        workers: those that are alive.
        wait_s: how long a reply was to be waited for, in seconds; None for as long as it may take.
    """
    record = exchange.record
    story = record.story
    if not record.acknowledged or (_is_answered(exchange) and (story is None or story.ended)):
        return ""
    if story and story.ended:
        reason = visible(story.reason) or _REASONS.get(story.state)
        why = f" ({reason})" if reason else ""
        return f"no reply: the message is {story.state}{why}"
    if story and workers.are_gone:
        return f"queued   {NO_WORKER}"
    return _silence(record, wait_s)


def draw_progress(record: Record, workers: Workers, waited_s: float) -> str:
    """Say in a short line what the bot does, while a reply is waited for."""
    return f"waiting  {waited_s:.0f} s: {_doing(record, workers)}"


def only_refused(record: Record) -> bool:
    """Whether DingTalk took none of the replies."""
    return bool(record.replies or record.in_callback_reply) and not record.shown


def _doing(record: Record, workers: Workers) -> str:
    story = record.story
    if workers.are_gone:
        return "queued, no worker is alive"
    if workers.are_starting:
        return "the workers are starting again"
    if story and story.retry_at_ms is not None:
        return "the bot will try again"
    if story and story.state != "accepted":
        return f"{visible(record.inspection.skill) or 'a worker'} is working on it"
    return "queued"


def _silence(record: Record, wait_s: float | None) -> str:
    facts = ["DingTalk took none"] if only_refused(record) else []
    if record.story and wait_s is None:
        facts.append("its session is closed")
    elif record.story:
        retries = record.story.retry_at_ms is not None
        facts.append("the bot will try again" if retries else "the message is still open")
    why = f": {', and '.join(facts)}" if facts else ""
    what = "no more" if record.shown else "no reply"
    return f"{what} within {patience_s(record, wait_s):g} s{why}"


def _is_answered(exchange: Exchange) -> bool:
    """Whether there is a reply, or a push to the conversation or to the sender alone."""
    record = exchange.record
    places = (_conversation(record), record.said.sender)
    return bool(record.shown) or any(_conversation(p.record) in places for p in exchange.pushed)


def _conversation(record: Record) -> str:
    said = record.said
    return said.sender if said.single else said.group or "the group"


def _ack(ack: Ack) -> str:
    failure = "" if ack.ok else " (the bot did not take the message)"
    return f"ack      {ack.status} after {ack.after_ms} ms: {visible(ack.body)}{failure}"


def _is_private(push: Pushed, record: Record) -> bool:
    """Whether only the sender sees it, of a message that the group saw."""
    return not record.said.single and _conversation(push.record) == record.said.sender


def _after_ms(push: Pushed, record: Record) -> int:
    return push.record.sent_at_ms - record.sent_at_ms


def _push(push: Pushed, record: Record, names: dict[str, str]) -> str:
    place = f"after {_after_ms(push, record)} ms, to {visible(_conversation(push.record))}"
    if push.card:
        return f"card     {place}:{_card(push.card, record)}"
    (reply,) = push.record.replies
    kind = (reply.payload or {})["msgtype"]
    what = "private" if _is_private(push, record) else "push"
    return f"{what:8} {place}: {kind}\n{indent(render_reply(reply, names), _MARGIN)}"


def _card(card: Card, record: Record) -> str:
    drawn = render_card(card, str(record.callback.get("senderStaffId")))
    state = "" if card.state is CardState.PLAIN else f" {card.state}"
    return f"{state}\n{indent(drawn, _MARGIN)}"


def _reply(reply: Reply, names: dict[str, str]) -> str:
    if not reply.shown:
        why = f"errcode {reply.errcode}, {visible(reply.errmsg)}"
        return f"refused  after {reply.after_ms} ms: {why}"
    kind = (reply.payload or {})["msgtype"]
    drawn = indent(render_reply(reply, names), _MARGIN)
    warned = "".join(f"\nwarning  {_WARNINGS[each]}" for each in reply.warnings)
    return f"reply    after {reply.after_ms} ms: {kind}\n{drawn}{warned}"
