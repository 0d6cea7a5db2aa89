"""Other people's words inside DingTalk's markdown: shown as they are, and without effect."""

import re

_ACTIVE = r"\`*_~[]()<>#!|&"
_INERT = {character: chr(ord(character) + 0xFEE0) for character in _ACTIVE}
_BEGINS_A_BLOCK = re.compile(r"^(?=[-+=]|\d+\.)")


def plain(text: str) -> str:
    """Somebody else's words for the inside of markdown, where they must not become anything.

    What markdown gives a meaning to is shown at full width: DingTalk does not say which of
    markdown's escapes its clients know. A link's `://` is parted, for clients link what looks like
    one.

    >>> plain("[点我](https://example.com)")
    '［点我］（https：//example.com）'
    """
    for character, inert in _INERT.items():
        text = text.replace(character, inert)
    parted = text.replace("://", "：//")
    return _BEGINS_A_BLOCK.sub("\u200b", " ".join(parted.split()))


def link(title: str, url: str) -> str:
    """A link for the inside of markdown: neither the words nor the address can end it early.

    >>> link("周报 [1]", "https://example.com/a(1)")
    '[周报 ［1］](https://example.com/a%281%29)'
    """
    return f"[{plain(title)}]({url.replace('(', '%28').replace(')', '%29')})"
