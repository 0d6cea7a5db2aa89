"""What was reached is compared with what was set out to be."""

import pytest

from benchmarks.__main__ import TABLES
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.samples import Sample, Samples, Summary
from benchmarks.targets import Target, targets


def a_target(*, bound: float = 4, theirs: str = "", at_most: bool = False) -> Target:
    return Target("fast", "b", "q", "ms", "b", bound, theirs, at_most=at_most, unit="ms")


def measured(**values: float) -> Samples:
    return Samples(tuple(Sample("q", variant, 0, {"ms": ms}) for variant, ms in values.items()))


def test_a_ratio_is_ours_against_theirs() -> None:
    assert a_target(theirs="a").reached(measured(a=10, b=50)) == Summary(5, 5, 5)


def test_a_figure_that_is_compared_with_nothing_is_taken_as_it_is() -> None:
    assert a_target().reached(measured(a=10, b=50)) == Summary(50, 50, 50)


@pytest.mark.parametrize("theirs", ["", "a"])
def test_what_was_not_measured_is_not_reached(theirs: str) -> None:
    assert a_target(theirs=theirs).reached(measured(a=10)) is None


@pytest.mark.parametrize(
    ("at_most", "figure", "met"),
    [(False, 3, False), (False, 4, True), (True, 4, True), (True, 5, False)],
)
def test_a_bound_is_met_at_itself(at_most: bool, figure: float, met: bool) -> None:  # noqa: FBT001
    assert a_target(at_most=at_most).is_met_by(figure) is met


def test_a_bound_is_written_with_its_sign_and_its_unit() -> None:
    assert a_target(bound=1_000).bound_text == "≥ 1,000 ms"
    assert a_target(bound=1.2, at_most=True).bound_text == "≤ 1.2 ms"


@pytest.mark.parametrize("plan", [QUICK, FULL], ids=lambda plan: plan.name)
def test_every_target_is_about_something_that_is_shown(plan: Plan) -> None:
    shown = {(table.question, column.value) for table in TABLES for column in table.columns}
    assert {(target.question, target.value) for target in targets(plan)} <= shown


def test_every_target_names_a_section_that_shows_where_the_rest_goes() -> None:
    questions = {table.question for table in TABLES}
    assert {target.profile or target.question for target in targets(FULL)} <= questions


def test_no_two_targets_share_their_name_in_the_history() -> None:
    names = [target.name for target in targets(FULL)]
    assert len(set(names)) == len(names)


def test_a_quick_run_has_the_targets_of_a_full_one() -> None:
    assert [t.name for t in targets(QUICK)] == [t.name for t in targets(FULL)]
