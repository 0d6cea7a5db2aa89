"""The progress that a skill tells: whatever number it is."""

import math

import pytest

from dingda.worker.sdk.growing import GrowingAnswer


@pytest.mark.parametrize(
    ("done", "shown"),
    [
        (0.4, "⏳ 40%"),
        (-1.0, "⏳ 0%"),
        (7.0, "⏳ 100%"),
        (math.nan, "⏳ 0%"),
        (math.inf, "⏳ 100%"),
    ],
)
async def test_progress_is_between_none_and_all(done: float, shown: str) -> None:
    answer = GrowingAnswer()
    await answer.show_progress(done)
    assert answer.progress == shown
