"""A message as a command for the shell, or as a test for pytest."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import takewhile
from math import ceil
from pprint import pformat

from dingda.shared.runtime.logs import redact
from dingda.simulator.dingtalk.callback import without_fresh
from dingda.simulator.dingtalk.media import StoredFile
from dingda.simulator.dingtalk.record import Record, is_sent_to
from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.transcript import FindCard, blanked_bytes, change_texts
from dingda.simulator.dingtalk.user_message import UserMessage

FindFile = Callable[[str], StoredFile | None]
"""Finds a file that was given, by its id."""

_QUICK_S = 10
"""How long, in seconds, an answer may take that a test need not wait for longer than usually."""
_LONGEST_FILE = 4000
"""How many bytes of a file are written into a test."""
_TEST = """\
from dingda.testing import {imports}


def test_the_answer_to_{name}(dingtalk: SimulatedDingTalk) -> None:
{body}
"""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a test is made of."""

    record: Record
    before: Sequence[Record] = ()
    """What led to it in a dialogue, the oldest first."""
    pushed: Sequence[Record] = ()
    """What the bot sent first because of it, the oldest first."""
    cards: Mapping[str, str] = field(default_factory=dict)
    """What each card among that shows, by its outTrackId."""


def copied_from(record: Record, records: Sequence[Record], find_card: FindCard) -> Copied:
    """Find what belongs to a message among all records, the oldest of which is first.

    What was pushed before the next message came counts as its own.
    """
    place = next(n for n, each in enumerate(records) if each.msg_id == record.msg_id)
    before = tuple(_dialogue_before(record, records[:place]))[::-1]
    pushed = tuple(takewhile(lambda each: not each.prompted, records[place + 1 :]))
    cards = filter(None, (find_card(each.card) for each in pushed if each.card))
    texts = {card.out_track_id: card.seen_by("").text for card in cards}
    return Copied(record, before, pushed, texts)


def as_curl(callback: SignedCallback, url: str) -> str:
    """Write a callback as a command; its signature is good for an hour.

    Args:
        callback: signed just now.
        url: the gateway's message-receiving address.
    """
    headers = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in callback.headers.items()]
    parts = (f"curl -i {shlex.quote(url)}", *headers, f"--data {_quoted(callback.body)}")
    return " \\\n  ".join(parts) + "\n"


def as_test(copied: Copied, find_file: FindFile) -> str:
    """Write a message, and the replies and pushes that it got, as a test; see `dingda.testing`.

    In a raw body tokens are blanked, as in a transcript: it may be a captured one.
    """
    lines = [f"dingtalk.{_call(record, find_file)}" for record in copied.before]
    lines.append(f"record = dingtalk.{_call(copied.record, find_file)}")
    lines.append(
        "assert [reply.payload for reply in record.shown] == " + _payloads([copied.record])
    )
    lines += _expected_pushes(copied)
    body = "\n".join(f"    {line}" for line in lines)
    names = [name for name in ("Mentioned", "Quotation") if re.search(rf"=\(?{name}\(", body)]
    return _TEST.format(
        imports=", ".join((*names, "SimulatedDingTalk")),
        name=_name(copied.record.said.text),
        body=body,
    )


def _dialogue_before(record: Record, records: Sequence[Record]) -> Iterator[Record]:
    """The messages that a message answers, the latest first.

    Each was said in the same chat, or in a group, and what it asked back went to the sender alone.
    """
    went_to_sender = False
    for earlier in reversed(records):
        if not record.inspection.is_answer:
            return
        if not earlier.prompted:
            went_to_sender |= record.said.single and is_sent_to(earlier, record.said.sender, None)
            continue
        in_private = went_to_sender and earlier.said.sender == record.said.sender
        if in_private or _chat(earlier.said) == _chat(record.said):
            yield earlier
            record = earlier
        went_to_sender = False


def _chat(said: UserMessage) -> tuple[str, bool, str, str]:
    return said.sender, said.single, said.group, said.robot


def _call(record: Record, find_file: FindFile) -> str:
    if record.verbatim is not None:
        return f"ask_raw({_pretty(blanked_bytes(record.verbatim))}, verbatim=True)"
    if record.raw:
        return f"ask_raw({_pretty(change_texts(without_fresh(record.callback), redact))})"
    said = record.said
    arguments = [repr(said.text), *_arguments(said, find_file), *_patience(record)]
    return f"ask({', '.join(arguments)})"


def _patience(record: Record) -> Iterator[str]:
    """How long to wait, where that takes long."""
    story = record.story
    if story is not None and story.ended_ms is not None:
        took_s = (story.ended_ms - story.accepted_ms) / 1000
        if took_s > _QUICK_S:
            yield f"wait_s={ceil(2 * took_s)}"


def _arguments(message: UserMessage, find_file: FindFile) -> list[str]:
    """The fields that differ from their defaults, as keyword arguments."""
    return [
        f"{each.name}={_value(each.name, getattr(message, each.name), find_file)}"
        for each in fields(UserMessage)
        if each.name != "text" and getattr(message, each.name) != each.default
    ]


def _value(name: str, value: object, find_file: FindFile) -> str:
    file = find_file(str(value)) if name == "file" else None
    if name != "file":
        return repr(value)
    if file is None:  # forgotten: a sample comes in its place
        return "''"
    size = len(file.content)
    # As many zeros as there were bytes: what a test holds should be readable.
    content = repr(file.content) if size <= _LONGEST_FILE else f"bytes({size})"
    return f"dingtalk.give_file({file.name!r}, {content})"


def _expected_pushes(copied: Copied) -> Iterator[str]:
    """Some lines for each chat that something was pushed to."""
    pushed = copied.pushed
    chats = dict.fromkeys((each.said.single, _name_of_chat(each)) for each in pushed)
    for is_single, name in chats:
        person, group = (name, None) if is_single else ("", name)
        here = [each for each in pushed if is_sent_to(each, person, group)]
        where = f"to={name!r}" if is_single else f"group={name!r}"
        yield f"pushed = dingtalk.pushed_after(record, {where}, count={len(here)})"
        yield (
            "assert [reply.payload for each in pushed for reply in each.shown] == "
            + _payloads(here)
        )
        if shown := [copied.cards[each.card] for each in here if each.card in copied.cards]:
            yield "cards = [dingtalk.card(each.card) for each in pushed if each.card]"
            yield f"assert [card.seen_by('').text for card in cards] == {_pretty(shown)}"


def _name_of_chat(record: Record) -> str:
    return record.said.sender if record.said.single else record.said.group


def _payloads(records: Sequence[Record]) -> str:
    return _pretty([reply.payload for record in records for reply in record.shown])


def _pretty(value: object) -> str:
    return pformat(value, width=76, sort_dicts=False).replace("\n", "\n    ")


def _quoted(body: bytes) -> str:
    return shlex.quote(body.decode("utf-8", "replace"))


def _name(text: str) -> str:
    letters = "".join(char if f"_{char}".isidentifier() else "_" for char in text[:40])
    return letters.strip("_") or "this"
