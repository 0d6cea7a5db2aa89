"""Says what is in a transcript again, and tells what the chat shows otherwise."""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from difflib import unified_diff
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.transcript import (
    Entry,
    FindCard,
    Transcript,
    change_texts,
    transcript_of,
)

if TYPE_CHECKING:
    from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk

_IGNORED = "…"
ClockAt = Callable[[datetime], AbstractContextManager[None]]
"""Lets the clock stand still in a `with` block."""


def replay(
    dingtalk: "SimulatedDingTalk",
    path: Path,
    *,
    ignore: Sequence[str],
    wait_s: float,
    clock_at: ClockAt | None,
) -> list[Record]:
    """Say it all again and compare; see `SimulatedDingTalk.replay`."""
    transcript = Transcript.from_json(path.read_bytes())
    known = {record.msg_id for record in dingtalk.pushed}
    said = [entry for entry in transcript.messages if not entry.pushed]
    answered = _say_again(dingtalk, transcript, wait_s, clock_at)
    pushed = _pushed_again(dingtalk, known, len(transcript.messages) - len(said), wait_s)
    cards = {card.out_track_id: card for card in dingtalk.cards}
    if differs := differences(
        _said_at(dingtalk.host, transcript), answered, pushed, cards.get, ignore
    ):
        raise AssertionError("\n\n".join((f"{path}: the chat shows otherwise", *differs)))
    return answered


def _say_again(
    dingtalk: "SimulatedDingTalk",
    transcript: Transcript,
    wait_s: float,
    clock_at: ClockAt | None,
) -> list[Record]:
    """Say each message at the time it was said, once the one before it is answered."""
    records = []
    began, after = transcript.began, timedelta()
    for entry in transcript.messages:
        after += timedelta(milliseconds=entry.gap_ms)
        if not entry.pushed:
            with clock_at(began + after) if clock_at and began else nullcontext():
                records.append(_say(dingtalk, entry, wait_s))
    return records


def _say(dingtalk: "SimulatedDingTalk", entry: Entry, wait_s: float) -> Record:
    if entry.raw_body is None:
        return dingtalk.look(dingtalk.say(entry.said), wait_s=wait_s)
    is_verbatim = entry.verbatim is not None
    return dingtalk.ask_raw(entry.raw_body, verbatim=is_verbatim, wait_s=wait_s)


def _said_at(host: str, transcript: Transcript) -> Transcript:
    """A transcript as if the simulator had been at a host then."""
    if not transcript.host:
        return transcript

    def move(text: str) -> str:
        return text.replace(transcript.host, host)

    entries = (
        replace(entry, replies=tuple(change_texts(list(entry.replies), move)))
        for entry in transcript.messages
    )
    return replace(transcript, messages=tuple(entries))


def _pushed_again(
    dingtalk: "SimulatedDingTalk", known: set[str], count: int, wait_s: float
) -> list[Record]:
    """What the bot has sent first besides what is known, once it is so much or the time is over."""

    def new() -> list[Record]:
        return [each for each in dingtalk.pushed if each.msg_id not in known]

    def is_all() -> bool:
        return len(new()) >= count and not any(card.state.is_open for card in dingtalk.cards)

    with suppress(TimeoutError):  # what is missing is told as a difference
        dingtalk.wait_until(is_all, wait_s=wait_s)
    return new()


def differences(
    transcript: Transcript,
    answered: Sequence[Record],
    pushed: Sequence[Record],
    find_card: FindCard,
    ignore: Sequence[str],
) -> list[str]:
    """Compare what a chat shows with a transcript; a text for each message that differs.

    Args:
        transcript: what was shown then.
        answered: the records of its messages, in their order.
        pushed: what the bot has sent first since then.
        find_card: finds a card by its outTrackId.
        ignore: regular expressions; what they match in a reply's texts may differ.
    """
    said = [entry for entry in transcript.messages if not entry.pushed]
    titles = [f"{_chat(entry)}, {number}: {_words(entry)}" for number, entry in enumerate(said, 1)]
    then = dict(zip(titles, (entry.replies for entry in said), strict=True))
    now = dict(zip(titles, (each.replies for each in _entries(answered, find_card)), strict=True))
    then |= _by_chat(entry for entry in transcript.messages if entry.pushed)
    now |= _by_chat(_entries(pushed, find_card))
    return [
        "\n".join((title, *diff))
        for title in then | now
        if (diff := list(_diff(then.get(title, ()), now.get(title, ()), ignore)))
    ]


def _entries(records: Sequence[Record], find_card: FindCard) -> tuple[Entry, ...]:
    return transcript_of(records, find_card).messages


def _by_chat(pushed: Iterable[Entry]) -> dict[str, tuple[dict[str, Any], ...]]:
    """What was sent first, by the chat: the order is certain in each, but not over all of them."""
    chats = defaultdict[str, tuple[dict[str, Any], ...]](tuple)
    for entry in pushed:
        chats[f"{_chat(entry)}, sent first"] += entry.replies
    return chats


def _chat(entry: Entry) -> str:
    said = entry.said
    if entry.pushed:
        return said.sender if said.single else f"the group {said.group}".rstrip()
    return f"{said.sender} alone" if said.single else said.sender


def _words(entry: Entry) -> str:
    return entry.said.text or "".join(entry.said.runs) or entry.said.kind


def _diff(
    then: Sequence[dict[str, Any]], now: Sequence[dict[str, Any]], ignore: Sequence[str]
) -> Iterator[str]:
    before, after = (_lines(payloads, ignore) for payloads in (then, now))
    # The first two lines name files.
    yield from list(unified_diff(before, after, n=1, lineterm=""))[2:]


def _lines(payloads: Sequence[dict[str, Any]], ignore: Sequence[str]) -> list[str]:
    shown = change_texts(list(payloads), partial(_without_ignored, ignore=ignore))
    return json.dumps(shown, ensure_ascii=False, indent=2).splitlines()


def _without_ignored(text: str, ignore: Sequence[str]) -> str:
    for pattern in ignore:
        text = re.sub(pattern, _IGNORED, text)
    return text
