"""The results as Markdown: targets first, then each question, then the machine."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.plan import Plan
from benchmarks.samples import Column, Samples, Summary, Table
from benchmarks.targets import Target

_WHOLE_FROM = 20
"""Figures from this on are shown without decimals among the targets."""
_INTRODUCTION = """\
Written by `make bench`. {cells} Ratios are taken within
a round, so that what disturbs the machine disturbs both sides. Compare within a run and never
across runs; where the columns disagree, believe CPU time rather than the clock, because the load,
Redis and the process under test share {cores} cores.
"""
_MEDIANS = """\
Cells are medians over {rounds} rounds (what takes long: {slow}) that
alternate between the variants, with the lowest and the highest in brackets."""
_ONCE = "Each cell is a single measurement, and so not for the record."


def render(
    samples: Samples,
    *,
    plan: Plan,
    tables: Sequence[Table],
    targets: Sequence[Target],
    machine: Mapping[str, str],
    pictures: Sequence[str] = (),
) -> str:
    """Write the whole report.

    Args:
        samples: what was measured; questions without any are left out.
        plan: what was asked for.
        tables: how each question is shown, in order.
        targets: what is shown beside what was reached.
        machine: what it was measured on, by name.
        pictures: paths of plots, relative to the report.
    """
    cells = _ONCE if plan.rounds == 1 else _MEDIANS
    introduction = _INTRODUCTION.format(
        cells=cells.format(rounds=plan.rounds, slow=plan.slow_rounds),
        cores=machine.get("cores", "some"),
    )
    titles = {table.question: table.title for table in tables}
    parts = [f"# Benchmarks ({plan.name})", introduction, _targets(samples, targets, titles)]
    parts += [f"![{path}]({path})" for path in pictures]
    parts += [section(samples, table) for table in tables if samples.variants(table.question)]
    parts += ["## Machine and versions", _rows(("what", "which"), machine.items())]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _targets(samples: Samples, targets: Sequence[Target], titles: Mapping[str, str]) -> str:
    rows = []
    for target in targets:
        figure = target.reached(samples)
        if figure is None:
            rows.append((target.what, target.bound_text, "not measured", ""))
            continue
        digits = 2 if figure.median < _WHOLE_FROM else 0
        verdict = "yes" if target.is_met_by(figure.median) else _why(target, titles)
        rows.append((target.what, target.bound_text, _cell(figure, digits), verdict))
    return f"## Targets\n\n{_rows(('what', 'target', 'reached', 'met'), rows)}"


def _why(target: Target, titles: Mapping[str, str]) -> str:
    """Which section shows where the rest goes."""
    return f"**no**: see *{titles[target.profile or target.question]}*"


def section(samples: Samples, table: Table) -> str:
    """Write one question's table, with its title and its note."""
    variants = samples.variants(table.question)
    measured = [
        column
        for column in table.columns
        if any(samples.summary(table.question, variant, column.value) for variant in variants)
    ]
    heads = ["", *(column.heading for column in measured)]
    if table.yardstick:
        heads.append(f"× {table.yardstick} ({_compared(table).heading})")
    rows = [_row(samples, table, measured, variant) for variant in variants]
    return f"## {table.title}\n\n{table.note}\n\n{_rows(heads, rows)}"


def _row(samples: Samples, table: Table, columns: Iterable[Column], variant: str) -> list[str]:
    cells = [variant]
    for column in columns:
        summary = samples.summary(table.question, variant, column.value)
        cells.append(_cell(summary, column.digits) if summary else "")
    if table.yardstick:
        ratio = samples.ratio(table.question, table.compared, variant, table.yardstick)
        cells.append(_cell(ratio, 2) if ratio else "")
    return cells


def _compared(table: Table) -> Column:
    return next(column for column in table.columns if column.value == table.compared)


def _cell(summary: Summary, digits: int) -> str:
    median, low, high = (
        f"{value:,.{digits}f}" for value in (summary.median, summary.low, summary.high)
    )
    return median if low == high else f"{median} ({low} – {high})"


def _rows(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
