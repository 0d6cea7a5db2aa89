"""How often a growing card is written.

Every write is a call of DingTalk's OpenAPI, of which the standard edition allows 5,000 a month, so
the writes come quickly while somebody starts to read, and ever more slowly then. None of them is
needed: each has the whole text, and the last one comes when the answer is complete.
"""

FIRST_PAUSE_S = 1.5
"""Between two writes of one card. DingTalk answers 403 below about 0.5 s; its own clients take
0.8 s, and those in use came to 1.5 s."""
LONGEST_PAUSE_S = 30.0
_GROWTH = 1.4
MAX_WRITES = 12
"""While an answer grows, over all attempts; its end is written whatever this says."""


def pause_s(writes: int) -> float | None:
    """Seconds from the last write of a growing card to the next one; None: no more until the end.

    Args:
        writes: how many there were.

    >>> [pause_s(writes) for writes in (0, 1, 2, 12)]
    [0.0, 1.5, 2.1, None]
    """
    if writes >= MAX_WRITES:
        return None
    if not writes:
        return 0.0
    return round(min(FIRST_PAUSE_S * _GROWTH ** (writes - 1), LONGEST_PAUSE_S), 1)
