"""The weather of places in China and of cities abroad, now and for a week.

天气 北京 · 北京明天天气怎么样 · weather shanghai · 周六杭州会下雨吗 · 明天北京后天上海风大吗
"""

import asyncio
import logging
from datetime import date, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from dingda.skill import (
    LIMITS_MEANING,
    NO_LIMITS,
    ArgumentNeeded,
    ClarificationNeeded,
    Context,
    Http,
    LimitsSetting,
    Markdown,
    RefusalError,
    Skill,
    SkillSettings,
)
from dingda.slots import Day, FoldedText, Pattern, Place
from dingda.worker.skills.weather.amap import AMap
from dingda.worker.skills.weather.aspects import ASKING, Aspect, aspects_in
from dingda.worker.skills.weather.chain import ask_in_turn
from dingda.worker.skills.weather.open_meteo import OpenMeteo
from dingda.worker.skills.weather.question import NOWHERE, Asked, Question
from dingda.worker.skills.weather.report import Provider
from dingda.worker.skills.weather.wording import (
    NO_FORECAST,
    NO_SUCH_PLACE,
    NO_TYPHOON,
    NOT_FOUND,
    NOT_SET_UP,
    ONLY_SO_FAR,
    ONLY_SO_MANY,
    TOO_FAR,
    Told,
    tell,
)

logger = logging.getLogger(__name__)

skill = Skill("weather", summary="查天气，如：天气 北京 明天")

MAX_DAYS = 7
MAX_PLACES = 5
WHERE = "查哪里的天气？"
_USUAL_DAYS = 3
_EXAMPLES = ("天气 北京", "天气 上海 明天", "天气 杭州 周末")
_NAMED = r"天气(?:预报|情况|状况)?|气温|多少度|几度|weather(?: forecast)?|forecast|temperature"
# What makes another word of it: 天气之子, 温度计, 热不热闹, 怎么穿越; 今天气温 holds no 天气.
_NOT_BEFORE = r"(?:[^温之瓶丹计传系参控监曲敏场枪闹心工丁静越镜]|$)"
_PATTERN = rf"(?P<taken>{_NAMED}|温度|{ASKING}){_NOT_BEFORE}"
_BY_NAME = Pattern(rf"(?P<taken>{_NAMED}){_NOT_BEFORE}")
"""Other questions may be about something else: 咖啡热吗."""

ProviderName = Literal["open-meteo", "qweather", "amap"]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _loaded(names: tuple[ProviderName, ...]) -> tuple[ProviderName, ...]:
    if "qweather" in names:
        # PyJWT and cryptography are slow to import: only where it is asked, and at the start.
        from dingda.worker.skills.weather import qweather  # noqa: F401, PLC0415
    return names


class WeatherSettings(SkillSettings):
    """Which services are asked, and the accounts there."""

    weather_providers: Annotated[
        tuple[ProviderName, ...], NoDecode, BeforeValidator(_split), AfterValidator(_loaded)
    ] = Field(
        ("open-meteo",),
        min_length=1,
        description="The services, in the order to ask them: open-meteo, qweather, amap. "
        "The next is asked when one fails.",
    )
    open_meteo_url: str = Field(
        "https://api.open-meteo.com",
        description="Open-Meteo; https://customer-api.open-meteo.com with a key.",
    )
    open_meteo_geocoding_url: str = Field(
        "https://geocoding-api.open-meteo.com", description="Its search for places."
    )
    open_meteo_api_key: SecretStr = Field(
        SecretStr(""), description="A key, which commercial use needs."
    )
    open_meteo_limits: LimitsSetting = Field(
        NO_LIMITS, description=LIMITS_MEANING.format(service="Open-Meteo")
    )
    qweather_url: str = Field(
        "", description="The account's own API host at QWeather, with https://."
    )
    qweather_project_id: str = Field("", description="The project's id there.")
    qweather_key_id: str = Field("", description="The credential's id (kid).")
    qweather_private_key: SecretStr = Field(
        SecretStr(""), description="Its Ed25519 key in PEM; \\n stands for a line break."
    )
    qweather_limits: LimitsSetting = Field(
        NO_LIMITS, description=LIMITS_MEANING.format(service="QWeather")
    )
    amap_url: str = Field("https://restapi.amap.com", description="AMap's web services.")
    amap_key: SecretStr = Field(SecretStr(""), description="A key of the kind web service.")
    amap_limits: LimitsSetting = Field(NO_LIMITS, description=LIMITS_MEANING.format(service="AMap"))

    def open_meteo(self, http: Http) -> OpenMeteo:
        """Open-Meteo, which needs no account."""
        return OpenMeteo(
            http,
            url=self.open_meteo_url.rstrip("/"),
            geocoding_url=self.open_meteo_geocoding_url.rstrip("/"),
            api_key=self.open_meteo_api_key.get_secret_value(),
            limits=self.open_meteo_limits,
        )

    def providers(self, http: Http) -> list[Provider]:
        """The services that are named and set up; one that isn't is named in the log."""
        made = [self._provider(name, http) for name in self.weather_providers]
        for name, provider in zip(self.weather_providers, made, strict=True):
            if provider is None:
                logger.warning("weather: %s is not set up; see docs/skills/weather.md", name)
        return [provider for provider in made if provider]

    def _provider(self, name: ProviderName, http: Http) -> Provider | None:
        private_key = self.qweather_private_key.get_secret_value().replace("\\n", "\n")
        amap_key = self.amap_key.get_secret_value()
        if name == "open-meteo":
            return self.open_meteo(http)
        if name == "amap":
            url, limits = self.amap_url.rstrip("/"), self.amap_limits
            return AMap(http, url=url, key=amap_key, limits=limits) if amap_key else None
        account = (self.qweather_url, self.qweather_project_id, self.qweather_key_id, private_key)
        if not all(account):
            return None
        from dingda.worker.skills.weather.qweather import QWeather  # noqa: PLC0415 - see `_loaded`

        return QWeather(
            http,
            url=self.qweather_url.rstrip("/"),
            project_id=self.qweather_project_id,
            key_id=self.qweather_key_id,
            private_key=private_key,
            limits=self.qweather_limits,
        )


@skill.command(
    "天气", "天气预报", "查天气", "气温", "温度", "weather", "forecast", pattern=_PATTERN
)
async def weather(
    ctx: Context, settings: WeatherSettings, question: Question = NOWHERE
) -> Markdown | None:
    """The present weather and three days, or the days asked for; of up to five places."""
    text = FoldedText.of(ctx.text).folded
    aspects = aspects_in(text)
    if not settings.providers(ctx.services.http):
        raise RefusalError(NOT_SET_UP)
    if not question.asked:
        if Aspect.TYPHOON in aspects:
            raise RefusalError(NO_TYPHOON)
        raise ArgumentNeeded(WHERE, suggestions=_EXAMPLES)
    asked = question.asked[:MAX_PLACES]
    places = await asyncio.gather(*(_find(each, settings, ctx.services.http) for each in asked))
    known = [(place, each.day) for each, place in zip(asked, places, strict=True) if place]
    if not known:
        if not _BY_NAME.search(text):
            return None
        raise ClarificationNeeded(
            NO_SUCH_PLACE.format(name=_name(asked[0])),
            suggestions=(*(f"天气 {each.hint}" for each in asked if each.hint), *_EXAMPLES),
        )
    told = await asyncio.gather(*(_ask(ctx, settings, place, day) for place, day in known))
    lost = [each for each, place in zip(asked, places, strict=True) if not place]
    notes = [NOT_FOUND.format(name=_name(each)) for each in lost]
    if more := question.asked[MAX_PLACES:]:
        notes.append(ONLY_SO_MANY.format(most=MAX_PLACES, names="、".join(map(_name, more))))
    if any(_is_too_far(day, each) for (_, day), each in zip(known, told, strict=True)):
        notes.append(ONLY_SO_FAR.format(days=MAX_DAYS))
    return tell(told, say=ctx.localize, aspects=aspects, notes=notes)


async def _ask(ctx: Context, settings: WeatherSettings, place: Place, day: Day | None) -> Told:
    today = ctx.now.astimezone(ZoneInfo(place.timezone)).date()
    days = _days(day, today)
    report = await ask_in_turn(
        settings.providers(ctx.services.http),
        place,
        with_now=today in days,
        cache=ctx.services.cache,
        at=ctx.now,
    )
    if not set(days) & report.days.keys():
        raise RefusalError(NO_FORECAST.format(place=place.name))
    return Told(place, report, days, today)


async def _find(asked: Asked, settings: WeatherSettings, http: Http) -> Place | None:
    """A place that our lexicon lacks is looked up; None if it is not found."""
    if isinstance(asked.where, Place):
        return asked.where
    return await settings.open_meteo(http).find(asked.where)


def _name(asked: Asked) -> str:
    return asked.where.name if isinstance(asked.where, Place) else asked.where


def _days(day: Day | None, today: date) -> tuple[date, ...]:
    """Those that can be told.

    Raises:
        RefusalError: if none can.
    """
    if day is None:
        return tuple(today + timedelta(days=n) for n in range(_USUAL_DAYS))
    days = tuple(each for each in day.dates if each <= today + timedelta(days=MAX_DAYS))
    if not days:
        raise RefusalError(TOO_FAR.format(days=MAX_DAYS))
    return days


def _is_too_far(day: Day | None, told: Told) -> bool:
    return day is not None and len(day.dates) > len(told.days)
