"""The weather of a trip: the place and the day are asked for where they are missing."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from dingda.skill import Backend, BackendConfigError, Context, Question, RefusalError, Skill, plain
from dingda.slots import Day, Place

SERVICE = "天气服务"
WEATHER = Backend(SERVICE, timeout_s=5)
URL = "https://api.open-meteo.com/v1/forecast"
FURTHEST = timedelta(days=14)

skill = Skill("trip", summary="出差看天气，如：出差 杭州")


@skill.command("出差")
async def trip(place: Annotated[Place, "城市"]) -> Question:
    """Ask for the day; the place is asked for by itself."""
    return Question(
        f"哪天去{place.name}？",
        choices=("今天", "明天", "后天"),
        then=forecast,
        keep={
            "name": place.name,
            "latitude": place.latitude,
            "longitude": place.longitude,
            "timezone": place.timezone,
        },
    )


@skill.step
async def forecast(day: Day, ctx: Context) -> str:
    """The weather there on that day."""
    date, place = day.first, ctx.kept
    if date - ctx.now.date() > FURTHEST:
        raise RefusalError("只能看两周以内的天气")
    answer = await ctx.services.http.json(
        WEATHER,
        "GET",
        URL,
        params={
            "latitude": place["latitude"],
            "longitude": place["longitude"],
            "timezone": place["timezone"],
            "daily": "temperature_2m_min,temperature_2m_max",
            "start_date": f"{date}",
            "end_date": f"{date}",
        },
        retries=1,
    )
    if answer.status != HTTPStatus.OK:
        raise BackendConfigError(SERVICE, f"HTTP {answer.status}")
    (lowest,), (highest,) = (
        answer.data["daily"][name] for name in ("temperature_2m_min", "temperature_2m_max")
    )
    return ctx.localize(f"{plain(place['name'])} {date:%m-%d}：{lowest:.0f} 到 {highest:.0f} 度")
