"""What counts as growth in a soak, on made-up samples."""

from collections.abc import Callable

from tests.soak.growth import MB, Growth, Sample


def _run(memory: Callable[[float], float], *, descriptors: int = 20, grown_by: int = 0) -> Growth:
    """A run of 1,000 s, whose memory (MB) is a function of the share of it that is over."""
    return Growth.of(
        [
            Sample(
                at_s=float(at),
                memory=int(memory(at / 1000) * MB),
                descriptors=descriptors + (grown_by if at > 900 else 0),
                threads=4,
            )
            for at in range(0, 1001, 10)
        ]
    )


def test_memory_that_rises_at_the_start_alone_is_no_leak() -> None:
    assert not _run(lambda share: 40 + min(share, 0.2) * 100).leaks()


def test_memory_that_rises_all_the_time_is_a_leak() -> None:
    assert _run(lambda share: 60 + share * 10).leaks() == ["memory"]


def test_memory_that_goes_up_and_down_is_no_leak() -> None:
    assert not _run(lambda share: 60 + 5 * (int(share * 100) % 2)).leaks()


def test_descriptors_that_are_more_at_the_end_are_a_leak() -> None:
    assert _run(lambda _: 60.0, grown_by=50).leaks() == ["descriptors"]


def test_what_has_grown_is_shown_from_the_warm_up_to_the_end() -> None:
    growth = _run(lambda share: 60 + share * 10)
    assert str(growth) == "63.2 → 69.2 MB, 20 → 20 descriptors, 4 → 4 threads"
