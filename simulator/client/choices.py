"""Links that send a text to the bot: a terminal can't open them, so it says what to type."""

import re
from collections.abc import Collection
from urllib.parse import parse_qs, urlsplit

from dingda.shared.dingtalk.markdown import plain

_SEND = "dtmd://dingtalkclient/sendMessage?"
_LINK = re.compile(rf"\[([^\[\]\n]*+)\]\(({re.escape(_SEND)}[^()\s]*+)\)")


def text_sent(url: str) -> str:
    """The text that a link sends to the bot; "" of a link that leads somewhere."""
    if not url.startswith(_SEND):
        return ""
    return parse_qs(urlsplit(url).query).get("content", [""])[0]


def draw_button(title: str, url: str) -> str:
    """A button, with where it leads or what to type in its place."""
    text = text_sent(url)
    if not text:
        return f"[{title}] {url}"
    return _typed(text) if text == title else f"[{title}] {_typed(text)}"


def draw_markdown(markdown: str, *, offered: Collection[str] = ()) -> str:
    """Markdown without links that send a text.

    Args:
        markdown: the source.
        offered: the texts that buttons send: a paragraph that is a link to one of them says
            nothing new, and is left out.
    """
    paragraphs = []
    for paragraph in markdown.split("\n\n"):
        link = _LINK.fullmatch(paragraph)
        text = text_sent(link[2]) if link else ""
        if not text:
            paragraphs.append(_LINK.sub(_draw_inside, paragraph))
        elif text not in offered:
            paragraphs.append(_typed(text))
    return "\n\n".join(paragraphs)


def _draw_inside(link: re.Match[str]) -> str:
    title, text = link[1], text_sent(link[2])
    return text if title == plain(text) else f"{title} ({_typed(text)})"


def _typed(text: str) -> str:
    return f"type: {text}"
