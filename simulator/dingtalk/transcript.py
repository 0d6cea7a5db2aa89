"""A transcript: what was said to the bot and what the chat showed, to keep, show and send again.

It holds no session and no token, and of a card what everybody sees of it.
"""

import json
import secrets
from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter

from dingda.shared.runtime.clock import CHINA
from dingda.shared.runtime.logs import redact
from dingda.simulator.dingtalk.callback import staff_id_of, without_fresh
from dingda.simulator.dingtalk.card import Card
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.replies import record_reply
from dingda.simulator.dingtalk.rules import OK, check_payload
from dingda.simulator.dingtalk.user_message import UserMessage

LOADED = "From a transcript: it was not sent to the bot."
_CARD = "卡片"
"""What a card without a title or a text says of itself."""
MAX_GAP_MS = 366 * 24 * 3600 * 1000
"""A browser knows no time that is too long ago."""
_MAX_DEPTH = 100
"""How deep a transcript may be nested, so that it can be read: what is deeper is left out."""
FindCard = Callable[[str], Card | None]
_CONFIG = ConfigDict(extra="forbid", strict=True, ser_json_bytes="base64", val_json_bytes="base64")


@dataclass(frozen=True, slots=True)
class Entry:
    """A message to the bot with the replies to it, or one that the bot sent first."""

    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    said: UserMessage
    """The message; of a raw callback what can be read from it; of what the bot sent first the chat
    that it went to."""
    replies: tuple[dict[str, Any], ...] = ()
    """What the chat showed, as the bot sent it."""
    gap_ms: Annotated[int, Field(ge=0, le=MAX_GAP_MS)] = 0
    """Milliseconds since the entry before it."""
    pushed: bool = False
    """Whether the bot sent it first; so are cards, of which a reply in markdown says what everybody
    sees when the transcript is written."""
    callback: dict[str, Any] | None = None
    """A raw callback, without the fields that are made fresh."""
    verbatim: bytes | None = None
    """A body that was sent byte for byte, in base64."""

    @property
    def raw_body(self) -> bytes | None:
        """The body of a raw callback; None of a message that is built from what was said."""
        if self.verbatim is not None or self.callback is None:
            return self.verbatim
        return json.dumps(self.callback, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything that was said, in order."""

    __pydantic_config__: ClassVar[ConfigDict] = _CONFIG

    version: Literal[1]
    messages: tuple[Entry, ...]
    began: AwareDatetime | None = None
    """When the first was said; None: that is not known."""
    host: str = ""
    """The simulator's host with its port, which may be another when it is said again."""

    def to_json(self) -> bytes:
        """One JSON object that people can read and edit; what is left out has its default."""
        return _ADAPTER.dump_json(self, exclude_defaults=True, indent=2)

    @staticmethod
    def from_json(body: bytes) -> "Transcript":
        """Read what `to_json` wrote.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return _ADAPTER.validate_json(body.removeprefix(BOM_UTF8))  # which editors may add


def transcript_of(records: Sequence[Record], find_card: FindCard) -> Transcript:
    """Write down messages with what the chat shows of them, tokens blanked.

    Args:
        records: of the messages, in their order.
        find_card: finds a card by its outTrackId.
    """
    times = [record.sent_at_ms for record in records]
    gaps = [
        min(max(0, now - before), MAX_GAP_MS)
        for before, now in zip(times[:1] + times, times, strict=False)
    ]
    entries = tuple(
        _entry(record, gap, find_card) for record, gap in zip(records, gaps, strict=True)
    )
    written = json.loads(Transcript(1, entries).to_json())
    return Transcript.from_json(json.dumps(change_texts(written, redact)).encode())


def began_at(records: Sequence[Record]) -> datetime | None:
    """When the first message was said; None where another transcript shows it."""
    if not records or records[0].loaded:
        return None
    return datetime.fromtimestamp(records[0].sent_at_ms / 1000, CHINA)


def records_of(transcript: Transcript, *, now_ms: int) -> list[Record]:
    """The records by which the chat shows a transcript, the last as if it were said at present."""
    after_ms = list(accumulate(entry.gap_ms for entry in transcript.messages))
    began_ms = now_ms - (after_ms[-1] if after_ms else 0)
    return [
        _record(entry, began_ms + passed_ms)
        for entry, passed_ms in zip(transcript.messages, after_ms, strict=True)
    ]


def _entry(record: Record, gap_ms: int, find_card: FindCard) -> Entry:
    is_made = record.raw and record.verbatim is None
    card = find_card(record.card) if record.card else None
    replies = tuple(reply.payload for reply in record.shown if reply.payload)
    return Entry(
        record.said,
        (_as_markdown(card, record.said),) if card else replies,
        gap_ms,
        pushed=not record.prompted,
        callback=without_fresh(record.callback) if is_made else None,
        verbatim=None if record.verbatim is None else blanked_bytes(record.verbatim),
    )


def _as_markdown(card: Card, said: UserMessage) -> dict[str, Any]:
    view = card.seen_by(staff_id_of(said.sender) if said.single else "")
    buttons = [f"[{button.text}]" for button in view.buttons]
    text = "\n\n".join(filter(None, (view.text, " ".join(buttons))))
    return {
        "msgtype": "markdown",
        "markdown": {"title": view.title or _CARD, "text": text or _CARD},
    }


def change_texts(value: Any, change: Callable[[str], str], depth: int = 0) -> Any:
    """A value of JSON in which each text, but no name of a field, is changed; None if too deep."""
    match value:
        case str():
            return change(value)
        case list() | dict() if depth > _MAX_DEPTH:
            return None
        case list():
            return [change_texts(each, change, depth + 1) for each in value]
        case dict():
            return {name: change_texts(each, change, depth + 1) for name, each in value.items()}
        case _:
            return value


def blanked_bytes(body: bytes) -> bytes:
    """A body without the tokens in it."""
    return redact(body.decode("latin-1")).encode("latin-1")


def _record(entry: Entry, sent_at_ms: int) -> Record:
    return Record(
        msg_id=f"loaded{secrets.token_hex(8)}",
        sent_at_ms=sent_at_ms,
        said=entry.said,
        headers={},
        callback=entry.callback or {},
        session_expires_ms=sent_at_ms,
        replies=tuple(
            # Whoever has edited it may have written what DingTalk would refuse.
            record_reply(payload, check_payload(payload) or OK, after_ms=0)
            for payload in entry.replies
        ),
        prompted=not entry.pushed,
        undelivered=None if entry.pushed else LOADED,
        undelivered_after_ms=None if entry.pushed else 0,
        loaded=True,
        raw=entry.callback is not None or entry.verbatim is not None,
        verbatim=entry.verbatim,
    )


_ADAPTER = TypeAdapter(Transcript)
