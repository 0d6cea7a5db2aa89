"""What every candidate's job does, and how it marks the start and the end.

Two jobs: `nothing`, and `reply`, which GETs what it is to look up, if anything, and POSTs a small
answer. The first and the last `nothing` of a run leave a mark in Redis; the others do nothing at
all. A look-up is a URL; Dingda's skill has its own from its settings, and needs only a message that
asks for it.
"""

import os
from collections.abc import Iterator
from typing import Any

BEGIN, END = "bench-begin", "bench-end"
"""The lists that the first and the last job push to."""
QUEUE = "bench"
LOOK_UP, AT_ONCE, WAIT = "查", "等 0", "等 {seconds:g}"
"""What people say to Dingda's skill: to look something up, to answer at once or after a while."""
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
