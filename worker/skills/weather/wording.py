"""How the weather is told."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from dingda.skill import MAX_TITLE_CHARS, Markdown, plain, shorten
from dingda.slots import Place
from dingda.worker.skills.weather.aspects import Aspect
from dingda.worker.skills.weather.report import DayForecast, Now, Report, beaufort

NOT_SET_UP = "查天气的功能还没有配置好，请联系管理员"
NO_SUCH_PLACE = "没有找到「{name}」这个地方，换个说法试试，比如：天气 杭州"
TOO_FAR = "最多只能查未来 {days} 天的天气"
NO_FORECAST = "{place}的天气预报还没有到这一天，换个日期试试"
NO_TYPHOON = "台风的位置和路径我查不到，请看中央气象台的台风网"
NOT_TOLD = {
    Aspect.TYPHOON: NO_TYPHOON,
    Aspect.AIR: "空气质量我查不到，下面是天气",
}
ONLY_SO_MANY = "一次最多查 {most} 个地方，没有查：{names}"
ONLY_SO_FAR = "最多只能查未来 {days} 天的天气，再往后的还没有预报"
NOT_FOUND = "没有找到「{name}」这个地方"

_WEEKDAYS = "一二三四五六日"
_NAMED = ("今天", "明天", "后天")
_LIKELY = 50
"""From this chance on, in percent, it is called rain."""
_NOTABLE = 3
"""So many degrees are a change."""
_WIDE = 12
"""So many degrees within a day are worth another layer."""
# Up to which temperature, what it feels like, and what to wear.
_FEELINGS = (
    (-5, "严寒", "穿厚羽绒服，戴帽子和手套"),
    (5, "很冷", "穿羽绒服或厚大衣，加毛衣"),
    (12, "偏冷", "穿厚外套或薄羽绒服，加毛衣"),
    (18, "有点凉", "穿外套加针织衫或卫衣"),
    (24, "舒适", "穿长袖或薄外套"),
    (29, "偏热", "穿短袖，带件薄外套"),
    (99, "炎热", "穿短袖短裤，注意防暑"),
)
_UV = (
    (2, "很弱"),
    (5, "中等"),
    (7, "强，注意防晒"),
    (10, "很强，尽量避开中午"),
    (99, "极强，尽量别晒"),
)


class Told(NamedTuple):
    """What is told of a place."""

    place: Place
    report: Report
    days: Sequence[date]
    """Which days, at least one of them reported."""
    today: date
    """The place's own."""

    @property
    def forecasts(self) -> list[DayForecast]:
        """Those of the days."""
        return [self.report.days[day] for day in self.days if day in self.report.days]


def tell(
    told: Sequence[Told],
    *,
    say: Callable[[str], str],
    aspects: Sequence[Aspect] = (),
    notes: Sequence[str] = (),
) -> Markdown:
    """A markdown message: for each place what was asked, the present, the days; whose data it is.

    Args:
        told: the places, at least one.
        say: turns our words into the sender's script.
        aspects: what was asked besides the weather itself.
        notes: what else there is to say, a line each.
    """
    parts = [plain(note) for note in (*(NOT_TOLD[a] for a in aspects if a in NOT_TOLD), *notes)]
    for each in told:
        parts.append(f"### {_named(each.place)}天气")
        parts += [answer for aspect in aspects for answer in _answers(aspect, each)]
        if each.report.now:
            parts.append(f"**现在** {_present(each.report.now)}")
        parts.append("\n".join(_day(forecast, each.today) for forecast in each.forecasts))
    parts += dict.fromkeys(each.report.attribution for each in told)
    title = f"{'、'.join(_named(each.place) for each in told)}天气"
    return Markdown(title=shorten(say(title), MAX_TITLE_CHARS), text=say("\n\n".join(parts)))


def _named(place: Place) -> str:
    """A place's name with what tells it from others, and where its weather is taken."""
    within = f"（{plain(place.within)}）" if place.within else ""
    near = f"（以{plain(place.near)}为准）" if place.near else ""
    return f"{plain(place.name)}{within}{near}"


def _present(now: Now) -> str:
    said = [f"{plain(now.text)} {round(now.temperature)}℃"]
    if now.feels_like is not None:
        said.append(f"体感 {round(now.feels_like)}℃")
    if now.humidity is not None:
        said.append(f"湿度 {now.humidity:.0f}%")
    if now.wind is not None:
        said.append(f"风力 {beaufort(now.wind)} 级")
    return "，".join(said)


def _day(forecast: DayForecast, today: date) -> str:
    rain = f"，降水概率 {forecast.rain_chance:.0f}%" if forecast.rain_chance else ""
    when = f"{_called(forecast.day, today)}（{forecast.day.month}月{forecast.day.day}日）"
    return f"- {when} {plain(forecast.text)} {round(forecast.low)}～{round(forecast.high)}℃{rain}"


def _called(day: date, today: date) -> str:
    away = (day - today).days
    weekday = f"周{_WEEKDAYS[day.weekday()]}"
    return _NAMED[away] if 0 <= away < len(_NAMED) else weekday


# What was asked ---------------------------------------------------------------------------------


def _answers(aspect: Aspect, told: Told) -> Iterator[str]:
    """A sentence on what was asked, if the service tells it: for each day, or for all."""
    if aspect in _OF_ALL_DAYS:
        yield _OF_ALL_DAYS[aspect](told)
        return
    said = _OF_A_DAY.get(aspect)
    sentences = [
        f"{_called(forecast.day, told.today)}{sentence}"
        for forecast in told.forecasts
        if said and (sentence := said(forecast, told))
    ]
    if sentences:
        yield f"**{'；'.join(sentences)}**"


def _rain(told: Told) -> str:
    return _falls(told, "雨", lambda each: _is_wet(each) and "雪" not in each.text)


def _snow(told: Told) -> str:
    return _falls(told, "雪", lambda each: "雪" in each.text)


def _fog(told: Told) -> str:
    return _falls(told, "雾", lambda each: "雾" in each.text or "霾" in each.text)


def _falls(told: Told, what: str, does: Callable[[DayForecast], bool]) -> str:
    days = [
        f"{_called(each.day, told.today)}{plain(each.text)}{_chance(each)}"
        for each in told.forecasts
        if does(each)
    ]
    if days:
        return f"**有{what}：{'；'.join(days)}**"
    return f"**{_span(told)}预报没有{what}**"


def _umbrella(told: Told) -> str:
    wet = [each for each in told.forecasts if _is_wet(each)]
    if not wet:
        return f"**{_span(told)}不用带伞**"
    days = "、".join(_called(each.day, told.today) for each in wet)
    return f"**{days}记得带伞：{plain(wet[0].text)}{_chance(wet[0])}**"


def _is_wet(forecast: DayForecast) -> bool:
    falls = any(mark in forecast.text for mark in "雨雪雷")
    return falls or (forecast.rain_chance or 0) >= _LIKELY


def _chance(forecast: DayForecast) -> str:
    return f"（概率 {forecast.rain_chance:.0f}%）" if forecast.rain_chance else ""


def _span(told: Told) -> str:
    days = [each.day for each in told.forecasts]
    names = [_called(day, told.today) for day in days]
    in_a_row = (days[-1] - days[0]).days == len(days) - 1
    return f"{names[0]}到{names[-1]}" if in_a_row and len(days) > 1 else "、".join(names)


def _wind(forecast: DayForecast, _: Told) -> str:
    return "" if forecast.wind is None else f"风力最大 {beaufort(forecast.wind)} 级"


def _clothes(forecast: DayForecast, _: Told) -> str:
    wear = _feeling(forecast)[2]
    wide = "，早晚温差大" if forecast.high - forecast.low >= _WIDE else ""
    return f" {_degrees(forecast)}，{wear}{wide}"


def _cold(forecast: DayForecast, _: Told) -> str:
    return f" {_degrees(forecast)}，{_feeling(forecast)[1]}"


def _feeling(forecast: DayForecast) -> tuple[int, str, str]:
    mean = (forecast.low + 2 * forecast.high) / 3
    return next(feeling for feeling in _FEELINGS if mean <= feeling[0] or feeling is _FEELINGS[-1])


def _degrees(forecast: DayForecast) -> str:
    return f"{round(forecast.low)}～{round(forecast.high)}℃"


def _warmer(forecast: DayForecast, told: Told) -> str:
    before = told.report.days.get(forecast.day - timedelta(days=1))
    if before is None:
        return ""
    change = round(forecast.high) - round(before.high)
    if abs(change) < _NOTABLE:
        return "气温变化不大"
    return f"{'升温' if change > 0 else '降温'} {abs(change)}℃"


def _sun(forecast: DayForecast, _: Told) -> str:
    if forecast.uv_index is None:
        return ""
    strength = next(name for most, name in _UV if forecast.uv_index <= most or most == _UV[-1][0])
    return f"紫外线指数 {round(forecast.uv_index)}，{strength}"


def _sunrise(forecast: DayForecast, _: Told) -> str:
    return f"日出 {forecast.sunrise}，日落 {forecast.sunset}" if forecast.sunrise else ""


_OF_ALL_DAYS: dict[Aspect, Callable[[Told], str]] = {
    Aspect.UMBRELLA: _umbrella,
    Aspect.RAIN: _rain,
    Aspect.SNOW: _snow,
    Aspect.FOG: _fog,
}
_OF_A_DAY: dict[Aspect, Callable[[DayForecast, Told], str]] = {
    Aspect.WIND: _wind,
    Aspect.CLOTHES: _clothes,
    Aspect.COLD: _cold,
    Aspect.WARMER: _warmer,
    Aspect.SUN: _sun,
    Aspect.SUNRISE: _sunrise,
}
