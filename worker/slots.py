"""Days, periods and prices, found in a text wherever they stand.

Each class is a slot (`worker.arguments.Slot`): a parameter of its type is read from the text.
Patterns run over `Words.matched`, which is simplified, lower case and half width. What is meant of
one that looks beside it as well is its group `taken`; see `worker.patterns`.
"""

from dingda.worker.days import Day
from dingda.worker.periods import Period
from dingda.worker.prices import PriceLimit

__all__ = ["Day", "Period", "PriceLimit"]
