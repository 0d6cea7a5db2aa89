"""What is found in a text wherever it stands, and what to find more with.

`Day`, `Period`, `Place` and `PriceLimit` are slots: a parameter of such a type is read from the
text, and the rest of the text is left to the others.

    @skill.command("值班")
    def duty(day: Day) -> str: ...

A class of your own with a `label` and a classmethod `extract` is one, too (`Slot`). It is given
`FoldedText`, and looks in their `matched` form, which is simplified, lower case and half width, for
a `Pattern`. What is meant of a pattern that looks at what stands beside it as well is its group
`taken`.
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
