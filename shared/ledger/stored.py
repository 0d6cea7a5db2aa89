"""Reading numbers from Redis, where a foreign hand may have left anything."""

from typing import Annotated

from pydantic import Field

_MAX_DIGITS = 16
WholeNumber = Annotated[int, Field(ge=0, lt=10**_MAX_DIGITS)]
"""A number in a record of JSON, with the same bounds: beyond them it could not be counted with."""


def whole_number(stored: object) -> int | None:
    """A whole number from 0 up as the scripts write one; None if it is anything else."""
    readable = isinstance(stored, str) and stored.isascii() and stored.isdigit()
    return int(str(stored)[:_MAX_DIGITS]) if readable else None
