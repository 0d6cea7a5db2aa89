"""Slots, the types that are found anywhere in a text, and the tools to write more.

`Day`, `Period`, `Place` and `PriceLimit` are slots: a parameter of such a type is read from the
text, and the rest of the text is left to the other parameters.

    @skill.command("值班")
    def duty(day: Day) -> str: ...

A class of your own with a `label` and a classmethod `extract` is a slot, too (`Slot`). It gets a
`FoldedText`, and looks for a `Pattern` in its `folded` form, which is simplified, lower case and
half width. If the pattern spells out the surroundings of a match, its group `taken` is the match.
"""

from dingda.worker.language.days import Day, FoundDays, find_days
from dingda.worker.language.patterns import Match, Pattern, UnsupportedPatternError
from dingda.worker.language.periods import Period
from dingda.worker.language.places import FoundPlace, Place, find_places
from dingda.worker.language.prices import PriceLimit
from dingda.worker.language.text import MAX_CHARS, FoldedText, fold, is_traditional, to_simplified
from dingda.worker.sdk.values import Slot

__all__ = [
    "MAX_CHARS",
    "Day",
    "FoldedText",
    "FoundDays",
    "FoundPlace",
    "Match",
    "Pattern",
    "Period",
    "Place",
    "PriceLimit",
    "Slot",
    "UnsupportedPatternError",
    "find_days",
    "find_places",
    "fold",
    "is_traditional",
    "to_simplified",
]
