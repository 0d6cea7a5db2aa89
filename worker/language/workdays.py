"""Workdays in China: Monday to Friday, but for public holidays and the weekends worked for them.

The State Council announces a year's holidays in the November before it; tyme4py holds those from
2002 on. In a year that the installed version doesn't know, Monday to Friday are taken for workdays.
"""

from datetime import date
from functools import cache

from tyme4py.holiday import LegalHoliday

_SATURDAY = 5


def is_workday(day: date) -> bool:
    """Whether people work on a day.

    >>> is_workday(date(2026, 10, 1)), is_workday(date(2026, 10, 10))
    (False, True)
    """
    holiday = LegalHoliday.from_ymd(day.year, day.month, day.day)
    return bool(holiday.is_work()) if holiday else day.weekday() < _SATURDAY


@cache
def knows_holidays_of(year: int) -> bool:
    """Whether the holidays of a year are known: each year has its National Day."""
    return LegalHoliday.from_ymd(year, 10, 1) is not None
