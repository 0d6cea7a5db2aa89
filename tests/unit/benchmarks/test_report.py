"""The report shows what was measured, and how it compares."""

import pytest

from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.report import render
from benchmarks.samples import Column, Sample, Samples, Summary, Table, percentile
from benchmarks.targets import Target

TABLES = (
    Table(
        "q",
        "A question",
        "A note.",
        (Column("per_s", "req/s"), Column("tls_per_s", "req/s by https")),
        "a",
        "per_s",
    ),
    Table("profile-q", "Where the time goes", "Shares.", (Column("percent", "%"),)),
)


def three_rounds(variant: str, *per_s: float) -> list[Sample]:
    return [Sample("q", variant, n, {"per_s": value}) for n, value in enumerate(per_s)]


def report(
    *all_samples: Sample, bound: float = 4, profile: str = "profile-q", plan: Plan = QUICK
) -> str:
    return render(
        Samples(all_samples),
        plan=plan,
        tables=TABLES,
        targets=[Target("fast", "b against a", "q", "per_s", "b", bound, "a", profile=profile)],
        machine={"cores": "2"},
        pictures=["plot.svg"],
    )


def test_ratios_are_taken_within_a_round() -> None:
    # The machine slowed down by half in the second round, which hit both.
    samples = Samples((*three_rounds("a", 10, 5, 10), *three_rounds("b", 100, 50, 100)))
    assert samples.ratio("q", "per_s", "b", "a") == Summary(10, 10, 10)


def test_a_summary_holds_the_median_and_the_spread() -> None:
    samples = Samples(tuple(three_rounds("a", 3, 1, 8)))
    assert samples.summary("q", "a", "per_s") == Summary(3, 1, 8)
    assert samples.summary("q", "unheard of", "per_s") is None


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 51), (99, 100), (100, 100)])
def test_percentiles_are_values_that_occurred(percent: float, expected: float) -> None:
    assert percentile(range(1, 101), percent) == expected


def test_it_shows_medians_spread_and_ratios() -> None:
    text = report(*three_rounds("a", 10, 20, 30), *three_rounds("b", 50, 100, 300))
    assert "| a | 20 (10 – 30) | 1.00 |" in text
    assert "| b | 100 (50 – 300) | 5.00 (5.00 – 10.00) |" in text
    assert "![plot.svg](plot.svg)" in text


@pytest.mark.parametrize(
    ("bound", "profile", "verdict"),
    [
        (4, "profile-q", "yes"),
        (6, "profile-q", "**no**: see *Where the time goes*"),
        (6, "", "**no**: see *A question*"),
    ],
)
def test_it_says_whether_a_target_is_met_and_if_not_where_to_look(
    bound: float, profile: str, verdict: str
) -> None:
    text = report(*three_rounds("a", 10), *three_rounds("b", 50), bound=bound, profile=profile)
    assert f"| b against a | ≥ {bound} | 5.00 | {verdict} |" in text


def test_it_says_what_was_not_measured() -> None:
    assert "| b against a | ≥ 4 | not measured |  |" in report(*three_rounds("a", 10))


def test_it_says_of_what_the_cells_are_medians_and_that_a_quick_run_has_none() -> None:
    assert "medians over 3 rounds (what takes long: 2)" in report(plan=FULL)
    assert "Each cell is a single measurement" in report(plan=QUICK)
    assert "median" not in report(plan=QUICK)


def test_a_column_that_was_not_measured_is_left_out() -> None:
    assert "by https" not in report(*three_rounds("a", 10))
    assert "by https" in report(*three_rounds("a", 10), Sample("q", "a", 0, {"tls_per_s": 5}))
