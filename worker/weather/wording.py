"""How the weather is told."""

from collections.abc import Callable, Sequence
from datetime import date

from shared.reply import MAX_TITLE_CHARS, Markdown, plain, shorten
from worker.places import Place
from worker.weather.report import DayForecast, Now, Report, beaufort

NOT_SET_UP = "查天气的功能还没有配置好，请联系管理员"
NO_SUCH_PLACE = "没有找到「{name}」这个地方，换个说法试试，比如：天气 杭州"
TOO_FAR = "最多只能查未来 {days} 天的天气"
NO_FORECAST = "{place}的天气预报还没有到这一天，换个日期试试"

_WEEKDAYS = "一二三四五六日"
_NAMED = ("今天", "明天", "后天")


def tell(
    report: Report, place: Place, days: Sequence[date], today: date, *, say: Callable[[str], str]
) -> Markdown:
    """A markdown message: the present, the days asked for, and whose data it is.

    Args:
        report: with at least one of the days.
        place: where.
        days: which days.
        today: the place's own.
        say: turns our words into the asker's script.
    """
    where = _named(place)
    parts = [f"### {where}天气"]
    if report.now:
        parts.append(f"**现在** {_present(report.now)}")
    told = [_day(report.days[day], today) for day in days if day in report.days]
    parts.append("\n".join(told))
    parts.append(report.attribution)
    title = shorten(say(f"{where}天气"), MAX_TITLE_CHARS)
    return Markdown(title=title, text=say("\n\n".join(parts)))


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
    away = (forecast.day - today).days
    weekday = f"周{_WEEKDAYS[forecast.day.weekday()]}"
    name = _NAMED[away] if 0 <= away < len(_NAMED) else weekday
    rain = f"，降水概率 {forecast.rain_chance:.0f}%" if forecast.rain_chance else ""
    when = f"{name}（{forecast.day.month}月{forecast.day.day}日）"
    return f"- {when} {plain(forecast.text)} {round(forecast.low)}～{round(forecast.high)}℃{rain}"
