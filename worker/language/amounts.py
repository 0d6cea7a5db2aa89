"""Amounts of money, as people write them: 300, 1.5k, 三百多块, 几百, 一百五."""

from decimal import Decimal
from typing import NamedTuple

from dingda.worker.language.numerals import DIGITS, NUMERALS, integer
from dingda.worker.language.patterns import Match, Pattern

_MOST_YUAN = Decimal(100_000_000)
"""A higher limit limits nothing, and a backend may be unable to hold it."""
ABOUT = Decimal("0.2")
"""How far a rough price may be off, as a share of it."""
_ARABIC = r"\d[\d,]*(?:\.\d{1,2})?(?:[百千万kw]\d?)?"
_AMOUNT = rf"(?:{_ARABIC}|好?[几数上][十百千万]{{1,2}}|几|[{NUMERALS}]+)"
_UNIT = r"(?:元|块钱|块|圆|人民币|rmb|yuan|¥|\$|刀)"
_MULTIPLES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "k": 1000, "w": 10_000}
_ARABIC_PARTS = Pattern(r"^(?P<n>[\d.]+)(?:(?P<unit>[百千万kw])(?P<tail>\d?))?$")
SEVERAL = Pattern(rf"^(?P<low>[{DIGITS}])(?P<high>[{DIGITS}])(?P<unit>[十百千万]+)$")
UNIT_AT_END = Pattern(r"[十百千万kw]+$")


class AmountRange(NamedTuple):
    """The least and the most that an amount may mean, in yuan."""

    low: Decimal
    high: Decimal

    @property
    def is_exact(self) -> bool:
        """Whether it means one amount only."""
        return self.low == self.high


def money(number: int) -> str:
    """The pattern of an amount, for `amount_of`; its groups' names end in the number."""
    return (
        rf"(?P<currency{number}>(?:¥|\$|rmb)\s*)?(?P<number{number}>{_AMOUNT})"
        rf"(?P<odd{number}>多|来|把|几|\+|出头)?"
        rf"(?:\s*(?:块(?P<tenth{number}>[1-9一二三四五六七八九])|(?P<unit{number}>{_UNIT}))"
        rf"(?P<rest{number}>多|出头)?)?"
    )


def has_unit(found: Match, number: int) -> bool:
    """Whether an amount has a currency or a unit of money."""
    return any(found[f"{name}{number}"] for name in ("currency", "unit", "tenth"))


def amount_of(found: Match, number: int) -> AmountRange:
    """Read the amount that `money(number)` found."""
    odd = found[f"odd{number}"]
    amount = _read(found[f"number{number}"])
    if tenth := found[f"tenth{number}"]:
        tenths = Decimal(integer(tenth)) / 10
        return AmountRange(amount.low + tenths, amount.high + tenths)
    if odd in ("来", "把"):
        return AmountRange(amount.low * (1 - ABOUT), amount.low * (1 + ABOUT))
    if odd or found[f"rest{number}"]:
        return AmountRange(amount.low, amount.low + _step(amount.low))
    return amount


def _read(number: str) -> AmountRange:
    """Read 1.5k, 3千5, 几百, 两三百, 一百五."""
    if parts := _ARABIC_PARTS.search(number.replace(",", "")):
        unit = Decimal(_MULTIPLES.get(parts["unit"], 1))
        exact = Decimal(parts["n"]) * unit + Decimal(parts["tail"] or 0) * unit / 10
        return _capped(exact, exact)
    if number[0] in "几数好上":
        unit = Decimal(multiple_of(number.lstrip("几数好上")))
        return _capped(unit, 10 * unit)
    if (several := SEVERAL.search(number)) and integer(several["low"]) < integer(several["high"]):
        unit = Decimal(multiple_of(several["unit"]))
        return _capped(integer(several["low"]) * unit, integer(several["high"]) * unit)
    exact = Decimal(integer(number))
    return _capped(exact, exact)


def _capped(low: Decimal, high: Decimal) -> AmountRange:
    return AmountRange(min(low, _MOST_YUAN), min(high, _MOST_YUAN))


def multiple_of(units: str) -> int:
    """Read units alone: 百万 is 1,000,000."""
    product = 1
    for unit in units:
        product *= _MULTIPLES[unit]
    return product


def _step(amount: Decimal) -> Decimal:
    """The most that 多 adds: 300多 is less than 400, 350多 less than 360."""
    step = 1
    while amount and amount % (step * 10) == 0:
        step *= 10
    return Decimal(step)
