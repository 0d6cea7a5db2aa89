"""Reading numbers from Redis, where a foreign hand may have left anything."""

_MAX_DIGITS = 16


def whole_number(stored: object) -> int | None:
    """A whole number from 0 up as the scripts write one; None if it is anything else."""
    readable = isinstance(stored, str) and stored.isascii() and stored.isdigit()
    return int(str(stored)[:_MAX_DIGITS]) if readable else None
