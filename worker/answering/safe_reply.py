"""Replies that can be built from any words, for when something has gone wrong.

Errors carry words from anywhere: typed by the sender, sent by a backend, made by a bug. Here they
are cut and cleaned until DingTalk takes them, so that there is a sentence to send in any case.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any
from urllib.parse import quote

from dingda.shared.dingtalk.fields import encodable
from dingda.shared.dingtalk.markdown import link, plain
from dingda.shared.dingtalk.reply import (
    MAX_BUTTON_CHARS,
    MAX_BUTTONS,
    MAX_TITLE_CHARS,
    MAX_URL_CHARS,
    ActionCard,
    Button,
    Markdown,
    Reply,
    Text,
)
from dingda.shared.dingtalk.shortening import shorten
from dingda.shared.errors import InvalidReplyError
from dingda.shared.texts import DID_YOU_MEAN, LAST_RESORT
from dingda.worker.sdk.context import Context

# A character has four bytes at the most once those are out that JSON escapes at length, so these
# fit into the 20,000 of a body together.
_MAX_SENTENCE_CHARS = 4_000
_MAX_QUESTION_CHARS = 1_000
_MAX_LISTED_BYTES = 12_000
_MAX_SUGGESTION_CHARS = 500
_MAX_SUGGESTIONS = 100

_SEND = "dtmd://dingtalkclient/sendMessage?content="
"""DingTalk's link that sends a text to the bot when it is clicked."""
# Control characters but the line breaks, and marks that change the direction of writing.
_NOT_SHOWN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def sentence(ctx: Context, words: object) -> Text:
    """A plain sentence that mentions the sender; a fixed one where there are no words to show.

    Args:
        ctx: the message.
        words: the sentence, in simplified characters; it may be an exception.
    """
    text = ctx.localize(_tidy(words, _MAX_SENTENCE_CHARS) or LAST_RESORT)
    return Text(shorten(text, _MAX_SENTENCE_CHARS), at=ctx.mention)


def question_back(ctx: Context, words: object, suggestions: object) -> Reply:
    """A question with suggestions to click; each is in the text too, to be clicked there or typed.

    Clients differ in which of the two can be clicked. More suggestions than a card has buttons are
    text alone, and so is one that is too long for a link.

    Args:
        ctx: the message that is asked about.
        words: the question, in simplified characters; it may be an exception.
        suggestions: texts that the sender may send instead.
    """
    question = ctx.localize(_tidy(words, _MAX_QUESTION_CHARS) or DID_YOU_MEAN)
    offered = [ctx.localize(each) for each in _distinct(suggestions)]
    if not offered:
        return sentence(ctx, words)
    title = shorten(" ".join(question.split()), MAX_TITLE_CHARS)
    buttons = [
        Button(shorten(each, MAX_BUTTON_CHARS), _send(each))
        for each in offered
        if len(_send(each)) <= MAX_URL_CHARS
    ]
    linked, unlinked = (
        _listed(question, map(_linked, offered)),
        _listed(question, map(plain, offered)),
    )
    if 1 <= len(buttons) <= MAX_BUTTONS:
        for text in (linked, unlinked):
            with suppress(InvalidReplyError):
                return _card(title, text, buttons)
    return Markdown(title, linked, at=ctx.mention)


def safe_detail(words: object) -> str:
    """A detail for the log and the list of dead letters: one line of harmless characters."""
    return shorten(" ".join(_tidy(words, _MAX_SENTENCE_CHARS).split()), _MAX_SUGGESTION_CHARS)


def safe_note(words: object) -> str:
    """A short text for a card: harmless characters, and no more than a card has room for."""
    return _tidy(words, _MAX_QUESTION_CHARS)


def _card(title: str, text: str, buttons: list[Button]) -> ActionCard:
    if len(buttons) == 1:
        return ActionCard(title, text, link=buttons[0])
    return ActionCard(title, text, buttons=tuple(buttons))


def _listed(question: str, lines: Iterable[str]) -> str:
    """Paragraphs: in a single chat DingTalk makes no link of what is inside a list."""
    listed, room = [plain(question)], _MAX_LISTED_BYTES
    for line in lines:
        room -= len(json.dumps(line, ensure_ascii=False).encode())
        if room < 0:
            break
        listed.append(line)
    return "\n\n".join(listed)


def _linked(text: str) -> str:
    url = _send(text)
    return link(text, url) if len(url) <= MAX_URL_CHARS else plain(text)


def _send(text: str) -> str:
    return _SEND + quote(text, safe="")


def _distinct(suggestions: object) -> list[str]:
    """The suggestions, tidied, each once; a lone string is one suggestion and not its letters."""
    given: Any = (suggestions,) if isinstance(suggestions, str) else suggestions
    tidied: Iterator[str] = (
        " ".join(_tidy(each, _MAX_SUGGESTION_CHARS + 1).split())
        for each in islice(given or (), _MAX_SUGGESTIONS)
    )
    return list(dict.fromkeys(each for each in tidied if 0 < len(each) <= _MAX_SUGGESTION_CHARS))


def _tidy(words: object, max_chars: int) -> str:
    """The words without characters that DingTalk or Redis can't take, cut before any other work."""
    try:
        text = str(words)
    except Exception:  # noqa: BLE001 - an exception's own __str__ may do anything
        return ""
    cut = shorten(encodable(text[: max_chars + 1]), max_chars)
    return _NOT_SHOWN.sub("", cut).strip()
