"""How people name days: patterns in order of precedence, each with the reading of what it finds."""

from dataclasses import dataclass

from dingda.worker.language import day_readings as readings
from dingda.worker.language.day_readings import (
    ENGLISH_MONTHS,
    ENGLISH_WEEKDAYS,
    WEEKDAYS,
    Reading,
)
from dingda.worker.language.festivals import NAMES
from dingda.worker.language.numerals import DIGITS
from dingda.worker.language.patterns import Pattern


@dataclass(frozen=True, slots=True)
class DayName:
    """A way to name days, and the characters beside it that would make it part of another word."""

    pattern: Pattern
    read: Reading
    not_before: str = ""
    not_after: str = ""
    not_into: tuple[str, ...] = ()
    """Words whose first character must not be the last of the match."""

    def stands_alone(self, text: str, start: int, end: int) -> bool:
        """Whether a match is a name of days, rather than part of another word."""
        if self.not_into and text.startswith(self.not_into, end - 1):
            return False
        before, after = text[max(start - 1, 0) : start], text[end : end + 1]
        return not ((before and before in self.not_before) or (after and after in self.not_after))


_ENGLISH_MONTHS = "|".join(ENGLISH_MONTHS)
_WEEK = r"(?:周|星期|礼拜)"
_HAN = f"[{DIGITS}十]"
_DAY = rf"(?:\d{{1,2}}|{_HAN}{{1,3}})"
_COUNT = rf"(?:\d+|[{DIGITS}十百]{{1,5}})"
_YEAR = r"(?:(今年|明年|后年|去年|前年|\d{4}[年/.-])的?\s*)?"
# 五六 and 六日, the longest first.
_RUNS = [WEEKDAYS[at : at + size] for size in range(7, 1, -1) for at in range(8 - size)]
# 周二三亚 is one day.
_CITIES = (
    "三亚", "三明", "三沙", "三门", "三河", "三台", "三原", "三江", "三水", "三都", "三穗",
    "三峡", "四平", "四会", "四川", "四姑娘", "五指山", "五常", "五大连池", "五台", "五莲",
    "五河", "五家渠", "五华", "五原", "五峰", "六安", "六盘水", "六合", "六枝", "日照", "日喀则",
    "日土", "日本", "日内瓦", "日月潭", "日惹", "二连",
)  # fmt: skip
_WHICH_WEEK = rf"(下+一?个?{_WEEK}的?|下+个?|(?:这|本)一?个?{_WEEK}的?|这个?|本|每个?)?"
# Half a day counts as the day.
_HOURS = (
    r"(?:的?(?:早上|早晨|清晨|凌晨|上午|中午|正午|午后|下午|傍晚|晚上|夜里|夜间|半夜|白天|整天|全天|一整天|一天"
    r"|晚间|晚|早|夜))?"
)
_FROM_NOW = r"(?:(?:未来|接下来|今后|往后|以后|后面|最近|近|这|后|(?:the )?next)\s*的?\s*)?"
# The longest first, so that a name comes before any other that it begins with.
_FESTIVALS = "|".join(sorted(NAMES, key=len, reverse=True))
_DIGITS = "0123456789"
_ALL_DIGITS = f"{_DIGITS}{DIGITS}十"
_UNITS = "天个点度级℃%元块岁倍折路号院栋楼期"
# 北京一号线 and 五一广场 name no day.
_THINGS = "线楼店院馆门桌公路球广大桥街站"

DAY_NAMES: list[DayName] = [
    DayName(
        Pattern(rf"大前[天日]{_HOURS}|前[天日]{_HOURS}|昨(?:[天日儿]个?|晚|夜|早){_HOURS}"),
        readings.past,
    ),
    DayName(Pattern(r"\b(?:yesterday|last (?:night|week|weekend|month|year))\b"), readings.past),
    DayName(
        Pattern(rf"(?:{_COUNT}|几|好几)(?:天|[周日]|个?(?:星期|礼拜|月)|年)(?:之|以)?前"),
        readings.past,
    ),
    DayName(
        Pattern(rf"(?:过去|前)的?(?:{_COUNT}|几)(?:天|个?(?:周|星期|礼拜|月)|年)"),
        readings.past,
        "目从",
    ),
    DayName(
        Pattern(rf"上+一?个?{_WEEK}(?:末|[{WEEKDAYS}天])?|上+一?个?月|上个?周末"), readings.past
    ),
    DayName(
        Pattern(rf"(?:大年|正月|年)初(?P<n>[一二三四五六七八九十]){_HOURS}"),
        readings.day_of_spring_festival,
    ),
    DayName(
        Pattern(
            rf"(?:(?P<year>今年|明年|后年|去年|前年|\d{{4}}年)的?)?"
            rf"(?P<name>{_FESTIVALS})"
            rf"(?:节|假期|长假|小长假|期间|当天|那天|那几天|前后|快乐){{0,3}}{_HOURS}"
        ),
        readings.festival_days,
        not_before="周期拜初第双二三四五六七八九廿" + _DIGITS,
        not_after="月号日个度级起线直" + _THINGS + "上河",
    ),
    DayName(
        Pattern(r"(?:去年|前年)的?"), readings.past, not_after="1234567890一二三四五六七八九十"
    ),
    DayName(Pattern(rf"今明后(?:这?三|3)?[天日]?{_HOURS}"), readings.ahead(0, 3)),
    DayName(
        Pattern(rf"今明(?:这?[两二2])?[天日晚]?{_HOURS}"), readings.ahead(0, 2), not_after="年"
    ),
    DayName(Pattern(rf"明后(?:这?[两二2])?[天日]?{_HOURS}"), readings.ahead(1, 2), not_after="年"),
    DayName(Pattern(rf"(?:大后[天日]|大后儿个?){_HOURS}"), readings.ahead(3)),
    DayName(
        Pattern(rf"后(?:[天日]|儿个?|晚){_HOURS}|\b(?:the )?day after tomorrow\b"),
        readings.ahead(2),
    ),
    DayName(Pattern(rf"明(?:[天日晚早晨]|儿个?){_HOURS}|\b(?:tomorrow|tmr)\b"), readings.ahead(1)),
    DayName(
        Pattern(
            rf"(?:{_YEAR}({_DAY})[月/.])?({_DAY})[号日]?\s*(?:-|~|—|到|至|、|和)\s*({_DAY})[号日]"
        ),
        readings.date_range,
        not_before=_ALL_DIGITS + "第.",
        not_after=_THINGS,
    ),
    DayName(
        Pattern(r"()(\d{1,2})[月./](\d{1,2})[日号]?\s*[-~到至、和]\s*(\d{1,2})"),
        readings.date_range,
        not_before=_DIGITS + ".",
        not_after=_DIGITS + "月./" + _UNITS,
    ),
    DayName(
        Pattern(r"()()(\d{1,2})[到至](\d{1,2})"),
        readings.date_range,
        not_before=_DIGITS + ".月-",
        not_after=_DIGITS + "月./" + _UNITS,
    ),
    DayName(
        Pattern(
            rf"{_YEAR}({_DAY}|元)月"
            rf"(?:({_HAN}{{1,3}})[日号]|([二三]十{_HAN}?|十{_HAN})|(\d{{1,2}})[日号]?){_HOURS}"
        ),
        readings.calendar_date,
        not_before=_ALL_DIGITS,
        not_after=_DIGITS + _UNITS,
    ),
    DayName(
        Pattern(rf"(?:(\d{{4}})[-/.])?(\d{{1,2}})[-/.](\d{{1,2}})[日号]?{_HOURS}"),
        readings.calendar_date,
        not_before=_DIGITS + ".",
        not_after=_DIGITS + "./" + _UNITS,
    ),
    DayName(
        Pattern(rf"\b(?P<m>{_ENGLISH_MONTHS})[a-z]{{0,6}}\.? ?(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b"),
        readings.english_date,
    ),
    DayName(
        Pattern(
            rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<m>{_ENGLISH_MONTHS})[a-z]{{0,6}}\b"
        ),
        readings.english_date,
    ),
    DayName(Pattern(rf"(?P<n>{_COUNT})日(?:天气)?预报"), readings.number_of_days),
    DayName(
        Pattern(rf"(?P<d>{_DAY})[号日]{_HOURS}"),
        readings.day_of_month,
        not_before=_ALL_DIGITS + "第.-",
        not_after=_THINGS,
    ),
    DayName(Pattern(rf"过?(?P<n>{_COUNT})[天日](?:之|以)?后{_HOURS}"), readings.after),
    DayName(Pattern(r"\bin (?P<n>\d{1,3}) days?\b"), readings.after),
    DayName(Pattern(r"过(?:几|两|2)天"), readings.ahead(2, 3)),
    DayName(
        Pattern(rf"{_FROM_NOW}(?P<n>{_COUNT})(?:天|\s?days?\b)"),
        readings.number_of_days,
        not_before="第每",
    ),
    DayName(Pattern(rf"{_FROM_NOW}半个?月"), readings.ahead(0, 15), not_before="上下"),
    DayName(
        Pattern(rf"{_FROM_NOW}(?P<n>{_COUNT})(?:个?(?:星期|礼拜)|周|个周|\s?weeks?\b)"),
        readings.number_of_weeks,
        not_before="第",
        not_after="年" + WEEKDAYS,
    ),
    DayName(
        Pattern(rf"{_FROM_NOW}(?P<n>{_COUNT})个月"), readings.number_of_months, not_before="第"
    ),
    DayName(
        Pattern(
            r"这几天|这些天|(?:未来|接下来|最近|近|后面)的?几[天日]|\bnext few days\b"
            r"|最近|近期|近日"
        ),
        readings.ahead(0, 3),
    ),
    DayName(
        Pattern(rf"{_WHICH_WEEK}{_WEEK}({'|'.join(_RUNS)}){_HOURS}"),
        readings.named_weekday,
        not_before="一两二三几",
        not_into=_CITIES,
        not_after="年出落点时号月个天度级十百",
    ),
    DayName(
        Pattern(rf"{_WHICH_WEEK}{_WEEK}([{WEEKDAYS}天1-7]){_HOURS}"),
        readings.named_weekday,
        not_before="一两二三几",
        not_after="年" + _DIGITS,
    ),
    DayName(
        Pattern(
            rf"\b(?:on |this |coming )?(next )?({'|'.join(ENGLISH_WEEKDAYS)})"
            r"(?:day|sday|nesday|rsday|urday|s|rs|ur)?\b"
        ),
        readings.english_weekday,
    ),
    DayName(
        Pattern(rf"(?:下+一?个?|这个?|本)?(?:{_WEEK}末|双休日|大周末){_HOURS}"),
        readings.weekend,
    ),
    DayName(Pattern(r"\b(?:this |on the |the |next )?weekend\b"), readings.weekend),
    DayName(Pattern(rf"下+一?个?{_WEEK}|\bnext week\b"), readings.next_week),
    DayName(
        Pattern(rf"(?:未来|接下来|最近|近)?的?(?:这|本|一)一?个?{_WEEK}|\bthis week\b"),
        readings.ahead(0, 7),
    ),
    DayName(
        Pattern(rf"{_YEAR}({_DAY}|元)月份?(初|中旬|中|上旬|下旬|底|末)?"),
        readings.named_month,
        not_before=_ALL_DIGITS,
    ),
    DayName(
        Pattern(r"(下+一?个?|这个?|本|当)月份?(初|中旬|中|上旬|下旬|底|末)?"), readings.month_ahead
    ),
    DayName(Pattern(r"()月(初|中旬|上旬|下旬|底|末)"), readings.month_ahead),
    DayName(Pattern(r"年底|年末"), readings.end_of_year),
    DayName(
        Pattern(r"(?P<year>今年|明年)?(?P<s>[春夏秋冬])(?:天|季)"),
        readings.season,
        not_after="广堡",
    ),
    DayName(Pattern(r"(?P<y>明年|后年|\b20\d\d年|\bnext year\b)"), readings.whole_year),
    DayName(
        Pattern(
            rf"今(?:[天日晚早晨夜]|儿个?){_HOURS}|当天|现在|此刻|此时|当前|目前|马上|待会儿?|等会儿?|一会儿?|等下"
            r"|\b(?:today|tonight|now|right now|currently)\b"
        ),
        readings.ahead(0),
    ),
    DayName(
        Pattern(r"早上|早晨|清晨|凌晨|上午|中午|午后|下午|傍晚|晚上|夜里|夜间|半夜"),
        readings.at_some_hour,
        not_after="茶",
    ),
]
