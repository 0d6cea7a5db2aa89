"""Units, and amounts of them, as arguments: `3.5 公里`, `98.6℉`, `2GiB`."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Self

from dingda.skill import ClarificationNeeded
from dingda.slots import FoldedText, Pattern


@dataclass(frozen=True)
class Unit:
    """A unit of one kind: `value * factor + offset` is in the kind's base unit.

    As an argument it is the first unit that the text names.
    """

    label: ClassVar[str] = "单位"

    name: str
    kind: str
    factor: Decimal
    offset: Decimal = Decimal(0)

    @classmethod
    def extract(cls, words: FoldedText, now: datetime) -> tuple["Unit", FoldedText] | None:  # noqa: ARG003
        """Find a unit anywhere in the text."""
        found = UNIT.search(words.folded)
        if found is None:
            return None
        return BY_WORD[found.taken], words.without(*found.span)


def _units(kind: str, *units: tuple[str, str]) -> dict[str, Unit]:
    """Units by what people type: each is its words, the first of them its name, and its factor."""
    by_word: dict[str, Unit] = {}
    for words, factor in units:
        name, *_ = words.split()
        unit = Unit(name, kind, Decimal(factor))
        by_word |= {word.lower(): unit for word in words.split()}
    return by_word


CELSIUS = Unit("摄氏度", "温度", Decimal(1))
FAHRENHEIT = Unit("华氏度", "温度", Decimal(5) / 9, Decimal(-160) / 9)
KELVIN = Unit("开尔文", "温度", Decimal(1), Decimal("-273.15"))

BY_WORD = {
    **_units(
        "长度",
        ("米 m", "1"),
        ("公里 千米 km", "1000"),
        ("厘米 cm", "0.01"),
        ("毫米 mm", "0.001"),
        ("英里 mile mi", "1609.344"),
        ("英尺 ft", "0.3048"),
        ("英寸 inch", "0.0254"),
        ("海里 nmi", "1852"),
    ),
    **_units(
        "重量",
        ("公斤 千克 kg", "1"),
        ("克 g", "0.001"),
        ("吨 t", "1000"),
        ("斤", "0.5"),
        ("两", "0.05"),
        ("磅 lb", "0.45359237"),
        ("盎司 oz", "0.028349523125"),
    ),
    **_units(
        "数据量",
        ("B 字节", "1"),
        ("KB", "1000"),
        ("MB", "1000000"),
        ("GB", "1000000000"),
        ("TB", "1000000000000"),
        ("KiB", "1024"),
        ("MiB", "1048576"),
        ("GiB", "1073741824"),
        ("TiB", "1099511627776"),
    ),
    **dict.fromkeys(("摄氏度", "摄氏", "℃", "°c"), CELSIUS),
    **dict.fromkeys(("华氏度", "华氏", "℉", "°f"), FAHRENHEIT),
    **dict.fromkeys(("开尔文", "开氏度", "k"), KELVIN),
}

_WORDS = "|".join(sorted(BY_WORD, key=len, reverse=True))
# A Latin unit ends where its letters end: `3 mx` is not three metres.
UNIT = Pattern(f"(?P<taken>{_WORDS})(?:[^a-z]|$)")
NUMBER = r"-?\d{1,15}(?:\.\d{1,15})?"
WITH_UNIT = Pattern(f"(?P<taken>({NUMBER}) ?({_WORDS}))(?:[^a-z]|$)")
WITHOUT_UNIT = Pattern(NUMBER)


def of_kind(kind: str) -> list[Unit]:
    """Return the units of a kind, each once."""
    return list(dict.fromkeys(unit for unit in BY_WORD.values() if unit.kind == kind))


def others(unit: Unit) -> list[Unit]:
    """Return the units that a unit can be converted from and to."""
    return [other for other in of_kind(unit.kind) if other != unit]


@dataclass(frozen=True)
class Amount:
    """A number with its unit, as an argument."""

    label: ClassVar[str] = "数量"

    value: Decimal
    unit: Unit

    @classmethod
    def extract(cls, words: FoldedText, now: datetime) -> tuple[Self, FoldedText] | None:
        """Find a number that has a unit.

        Raises:
            ClarificationNeeded: if there is a number, and no unit that we know behind it; with
                units to choose from, of the other unit's kind where the text names one.
        """
        if found := WITH_UNIT.search(words.folded):
            value, word = found.groups
            return cls(Decimal(value), BY_WORD[word]), words.without(*found.span)
        number = WITHOUT_UNIT.search(words.folded)
        if number is None:
            return None
        target = Unit.extract(words, now)
        if target is None:
            choices, into = [of_kind(kind)[0] for kind in KINDS], ""
        else:
            choices, into = others(target[0]), f" 到 {target[0].name}"
        raise ClarificationNeeded(
            f"{number.taken} 后面是什么单位？",
            suggestions=tuple(f"{number.taken} {unit.name}{into}" for unit in choices),
        )

    def to(self, target: Unit) -> Decimal:
        """Return the value in another unit of the same kind."""
        base = self.value * self.unit.factor + self.unit.offset
        return (base - target.offset) / target.factor


KINDS = tuple(dict.fromkeys(unit.kind for unit in BY_WORD.values()))
