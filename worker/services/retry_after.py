"""HTTP's Retry-After: how long a server asks its clients to wait."""

from datetime import UTC
from email.utils import parsedate_to_datetime

_MAX_DIGITS = 9


def parse_retry_after(retry_after: str, *, now_s: float) -> float | None:
    """Parse a Retry-After, which is a number of seconds or a date (RFC 9110, 10.2.3).

    Args:
        retry_after: the header's value, or "".
        now_s: the current time, in seconds since 1970.

    Returns:
        How many seconds from now; None if the value can't be parsed.
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
