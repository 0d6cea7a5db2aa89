"""What every candidate's job does, and how it marks the start and the end.

Two jobs: `nothing`, and `reply`, which looks something up for a while and POSTs a small answer. The
first and the last `nothing` of a run leave a mark in Redis; the others really do nothing.
"""

import os
from collections.abc import Iterator
from typing import Any

BEGIN, END = "bench-begin", "bench-end"
"""The lists that the first and the last job push to."""
QUEUE = "bench"
ANSWER: dict[str, Any] = {"msgtype": "text", "text": {"content": "查好了"}}


def redis_url() -> str:
    """The server that all share."""
    return os.environ["BENCH_REDIS_URL"]


def marks(count: int) -> Iterator[str]:
    """For each of `count` jobs the list it pushes to, or nothing."""
    yield BEGIN
    for _ in range(count - 2):
        yield ""
    yield END


def urls(count: int, origin: str) -> Iterator[str]:
    """Where each of `count` replies goes."""
    return (f"{origin}/robot/sendBySession?session={number}" for number in range(count))
