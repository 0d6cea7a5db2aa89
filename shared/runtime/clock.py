"""The time of day: Unix time in milliseconds, as DingTalk writes it, and China's time zone."""

import time
from datetime import datetime
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")
"""China has one time zone, UTC+8 without daylight saving time.

>>> datetime(2026, 11, 28, 9, tzinfo=CHINA).isoformat()
'2026-11-28T09:00:00+08:00'
"""


def china_now() -> datetime:
    """The present in China, which has one time zone."""
    return datetime.now(CHINA)


def wall_clock_ms() -> int:
    """The present, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
