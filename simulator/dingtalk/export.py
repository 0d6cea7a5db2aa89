"""A message as a command for the shell, or as a test for pytest."""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from math import ceil
from pprint import pformat
from typing import Self

from dingda.shared.runtime.clock import CHINA
from dingda.shared.runtime.logs import redact
from dingda.simulator.dingtalk.callback import without_fresh
from dingda.simulator.dingtalk.card import Card, Press
from dingda.simulator.dingtalk.copied import Copied
from dingda.simulator.dingtalk.media import StoredFile
from dingda.simulator.dingtalk.record import Record, is_sent_to
from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.transcript import blanked_bytes, change_texts
from dingda.simulator.dingtalk.user_message import UserMessage

FindFile = Callable[[str], StoredFile | None]
"""Finds a file that was given, by its id."""

_QUICK_S = 10
"""How long, in seconds, an answer may take that a test need not wait for longer than usually."""
_BESIDE = "Path(__file__).with_name"
_LONGEST_FILE = 4000
"""How many bytes of a file are written into a test."""
_TIME = re.compile(r"\d\d:\d\d")
_HEAD = """\
from datetime import datetime
{path}
from dingda.testing import {names}


def test_the_answer_to_{name}(dingtalk: SimulatedDingTalk) -> None:
"""


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

    It sets the clock to that of the message, and names the simulator by `dingtalk.host`, so that
    the day and the port may be others. In a raw body tokens are blanked, as in a transcript: it may
    be a captured one.

    Args:
        copied: what belongs to the message.
        find_file: finds a file that was given.
    """
    lines = [f"dingtalk.{_call(record, find_file)}" for record in copied.before]
    lines.append(f"record = dingtalk.{_call(copied.record, find_file)}")
    lines.append(
        "assert [reply.payload for reply in record.shown] == "
        + _payloads([copied.record], copied.host)
    )
    lines += _expected_pushes(copied)
    body = "\n".join(
        (
            *_files_to_save(copied, find_file),
            f"    with dingtalk.clock_at(datetime.fromisoformat({_begun(copied.record)!r})):",
            *(f"        {line}" for line in lines),
        )
    )
    names = [name for name in ("Mentioned", "Quotation") if re.search(rf"=\(?{name}\(", body)]
    head = _HEAD.format(
        path="from pathlib import Path\n" if f"{_BESIDE}(" in body else "",
        names=", ".join((*names, "SimulatedDingTalk")),
        name=_name(redact(copied.record.said.text)),
    )
    return f"{head}{body}\n"


def _begun(record: Record) -> str:
    """When its skill was told the time, as well as it is known."""
    begun_ms = (record.story and record.story.leased_ms) or record.sent_at_ms
    return datetime.fromtimestamp(begun_ms / 1000, CHINA).isoformat(timespec="seconds")


def _call(record: Record, find_file: FindFile) -> str:
    said = record.said
    if record.verbatim is not None:
        called, *arguments = "ask_raw", _pretty(blanked_bytes(record.verbatim)), "verbatim=True"
    elif record.raw:
        called = "ask_raw"
        arguments = [_pretty(change_texts(without_fresh(record.callback), redact))]
    else:
        called, arguments = "ask", [repr(said.text), *_arguments(said, find_file)]
    return f"{called}({', '.join((*arguments, *_patience(record)))})"


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
    content = repr(file.content)
    if len(file.content) > _LONGEST_FILE:
        content = f"{_BESIDE}({_saved_as(str(value), file)!r}).read_bytes()"
    return f"dingtalk.give_file({file.name!r}, {content})"


def _files_to_save(copied: Copied, find_file: FindFile) -> Iterator[str]:
    """A comment for each file that is too long to be read in a test."""
    for file_id in dict.fromkeys(each.said.file for each in (*copied.before, copied.record)):
        file = find_file(file_id)
        if file and len(file.content) > _LONGEST_FILE:
            yield f"    # Save http://{copied.host}/api/files/{file_id} beside this test, as"
            yield f"    # {_saved_as(file_id, file)!r}: it has {len(file.content)} bytes."


def _saved_as(file_id: str, file: StoredFile) -> str:
    name = re.sub(r"[^\w.-]", "_", file.name)[-60:]
    return f"{file_id}-{name}"


def _expected_pushes(copied: Copied) -> Iterator[str]:
    """Some lines for each chat that something was pushed to."""
    pushed = copied.pushed
    if pushed:
        yield "# What the bot sent of its own accord until the next message came."
    chats = dict.fromkeys((each.said.single, _name_of_chat(each)) for each in pushed)
    for is_single, name in chats:
        person, group = (name, None) if is_single else ("", name)
        here = [each for each in pushed if is_sent_to(each, person, group)]
        where = f"to={name!r}" if is_single else f"group={name!r}"
        yield f"pushed = dingtalk.pushed_after(record, {where}, count={len(here)})"
        yield (
            "assert [reply.payload for each in pushed for reply in each.shown] == "
            + _payloads(here, copied.host)
        )
        if cards := [copied.cards[each.card] for each in here if each.card in copied.cards]:
            yield "cards = [dingtalk.card(each.card) for each in pushed if each.card]"
            yield from _expected_cards(cards, copied.names, copied.host)


def _expected_cards(cards: Sequence[Card], names: Mapping[str, str], host: str) -> Iterator[str]:
    """What the cards show, once they are pressed as they were."""
    presses = [(at, each) for at, card in enumerate(cards) for each in card.presses]
    for at, press in sorted(presses, key=lambda each: each[1].at_ms):
        yield _press(f"cards[{at}]", press, names)
    for at, card in enumerate(cards):
        if card.presses:  # what comes of a press comes later, and tells when it was
            text = card.seen_by("").text
            lines = [line for line in text.split("\n") if line and not _TIME.search(line)]
            shown = f"dingtalk.card(cards[{at}].out_track_id).seen_by('').text"
            yield f"lines = {_pretty(lines, host)}"
            yield f"dingtalk.wait_until(lambda: set(lines) <= set({shown}.split('\\n')))"
    if presses:
        return
    if all(card.views.keys() == {""} for card in cards):
        shown = _pretty([card.seen_by("").text for card in cards], host)
        yield f"assert [card.seen_by('').text for card in cards] == {shown}"
        return
    views = [{seen_by: view.text for seen_by, view in card.views.items()} for card in cards]
    yield (
        "assert [{seen_by: view.text for seen_by, view in card.views.items()} for card in cards] "
        f"== {_pretty(views, host)}"
    )


def _press(card: str, press: Press, names: Mapping[str, str]) -> str:
    name = names.get(press.staff_id)
    if name is None:
        return f"# {press.staff_id!r}, whose name is not known, has pressed {press.action_id!r}."
    return f"dingtalk.press({card}, {press.action_id!r}, by={name!r})"


def _name_of_chat(record: Record) -> str:
    return record.said.sender if record.said.single else record.said.group


def _payloads(records: Sequence[Record], host: str) -> str:
    return _pretty([reply.payload for record in records for reply in record.shown], host)


class _WithHost(str):  # noqa: SLOT000 - a str can't have any
    """A text that is written so that it names the simulator wherever it is."""

    _host: str

    def __new__(cls, text: str, host: str) -> Self:
        marked = super().__new__(cls, text)
        marked._host = host
        return marked

    def __repr__(self) -> str:
        lines = self.splitlines(keepends=True)
        parts = (" + dingtalk.host + ".join(map(repr, line.split(self._host))) for line in lines)
        return "\n    ".join(parts)


def _pretty(value: object, host: str = "") -> str:
    def mark(text: str) -> str:
        return _WithHost(text, host) if host and host in text else text

    written = pformat(change_texts(value, mark), width=76, sort_dicts=False)
    return written.replace("\n", "\n        ")


def _quoted(body: bytes) -> str:
    return shlex.quote(body.decode("utf-8", "replace"))


def _name(text: str) -> str:
    letters = "".join(char if f"_{char}".isidentifier() else "_" for char in text[:40])
    return letters.strip("_") or "this"
