"""How long a server asks to be left alone: HTTP's Retry-After."""

from datetime import UTC
from email.utils import parsedate_to_datetime

_MAX_DIGITS = 9


def seconds_asked(retry_after: str, *, now_s: float) -> float | None:
    """Read a Retry-After, which is a number of seconds or a date (RFC 9110, 10.2.3).

    Args:
        retry_after: the header's value, or "".
        now_s: the present, in seconds since 1970.

    Returns:
        How many seconds from now; None where it says nothing that can be read.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MAX_DIGITS])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # the zone "-0000": unknown
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now_s)
