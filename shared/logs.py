"""Logging: one line an event, and no session token in it, whoever wrote the line."""

import logging
import re

_SESSION = re.compile(r"(session=)[^&\s\"'<>]+")


class RedactingFormatter(logging.Formatter):
    """Blanks the token of a sessionWebhook, in messages and tracebacks alike.

    Ours never log one; libraries put whole URLs into their exceptions.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format as the base class does, then redact."""
        return redact(super().format(record))


def redact(text: str) -> str:
    """Blank the token of every sessionWebhook in a text."""
    return _SESSION.sub(r"\1***", text)


def printable(text: str, most: int = 200) -> str:
    """Make a text from outside fit for a log or a terminal: one line, no sequences, no tricks.

    Control characters, line breaks and what turns the direction of writing around are written as
    Python would escape them; beyond `most` characters an ellipsis stands for the rest. A wide
    blank (U+3000), which Chinese titles hold, stays.
    """
    cut = text if len(text) <= most else f"{text[:most]}…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() or c == "\u3000" else _escaped(c) for c in cut)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def configure_logging(level: str) -> None:
    """Send everything from `level` up to standard error, one process's whole logging set-up."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "rq.worker", "rq.job"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))
