"""The weather of places in China and of cities abroad, now and for a week.

天气 北京 · 北京明天天气怎么样 · weather shanghai · 周六杭州会下雨吗 · 天气 西湖区
"""

import logging
from datetime import date, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from worker.backend import LIMITS_MEANING, NO_LIMITS, LimitsSetting
from worker.http import Http
from worker.patterns import Pattern
from worker.places import Place
from worker.skill import Ask, Markdown, RefusalError, Skill, SkillSettings, UnclearError
from worker.slots import Day
from worker.weather.amap import AMap
from worker.weather.chain import ask_in_turn
from worker.weather.open_meteo import OpenMeteo
from worker.weather.qweather import QWeather
from worker.weather.report import Provider
from worker.weather.wording import NO_FORECAST, NO_SUCH_PLACE, NOT_SET_UP, TOO_FAR, tell

logger = logging.getLogger(__name__)

skill = Skill("weather", summary="查天气，如：天气 北京 明天")

MAX_DAYS = 7
WHERE = "查哪里的天气？"
_USUAL_DAYS = 3
_EXAMPLES = ("天气 北京", "天气 上海 明天", "天气 杭州 周末")
_PATTERN = (
    r"天气(?:预报|情况|状况)|(?P<taken>天气)(?:[^温]|$)|气温|温度|(?:会|要|有没有|会不会)?(?:下雨|下雪|刮风|降温)|多少度|几度"
    r"|冷不冷|热不热|冷吗|热吗|要?带伞|weather(?: forecast)?|forecast|temperature"
)
_NOISE = Pattern(
    r"请问|麻烦|你好|帮我|帮忙|我想|想|知道|查询|查一下|查查|查|看一下|看看|告诉我|一下|今年|现在|当前|目前|实时"
    r"|怎么样|怎样|如何|会不会|要不要|需不需要|是不是|有没有|多少|什么|好不好|好吗|会|吗|呢|吧|啊|呀|嘛|的|在|去"
    r"|\b(?:how|is|the|what|whats|will|it|be|like|in|for|of|at|s|please|tell|me)\b|'"
)
_LONGEST_NAME = 12

ProviderName = Literal["open-meteo", "qweather", "amap"]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class WeatherSettings(SkillSettings):
    """Which services are asked, and the accounts there."""

    weather_providers: Annotated[tuple[ProviderName, ...], NoDecode, BeforeValidator(_split)] = (
        Field(
            ("open-meteo",),
            min_length=1,
            description="The services, in the order to ask them: open-meteo, qweather, amap. "
            "The next is asked when one fails.",
        )
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
    ask: Ask,
    settings: WeatherSettings,
    # The day first, or 天长 would be found in 明天长沙, and 五台 in 周五台北.
    day: Day | None = None,
    place: Place | None = None,
    name: Annotated[str, "地方"] = "",
) -> Markdown:
    """The present weather and that of three days, or of the days asked for."""
    http = ask.services.http
    providers = settings.providers(http)
    if not providers:
        raise RefusalError(NOT_SET_UP)
    place = place or await _look_up(name, settings, http)
    today = ask.now.astimezone(ZoneInfo(place.timezone)).date()
    days = _days(day, today)
    report = await ask_in_turn(
        providers, place, with_now=today in days, cache=ask.services.cache, at=ask.now
    )
    if not set(days) & report.days.keys():
        raise RefusalError(NO_FORECAST.format(place=place.name))
    return tell(report, place, days, today, say=ask.say)


async def _look_up(typed: str, settings: WeatherSettings, http: Http) -> Place:
    """Find a place that our lexicon lacks, by the name that is left of what was typed."""
    name = " ".join(_NOISE.replace(" ", typed.casefold()).split())
    if not 1 < len(name) <= _LONGEST_NAME:
        raise UnclearError(WHERE, suggestions=_EXAMPLES)
    place = await settings.open_meteo(http).find(name)
    if place is None:
        raise UnclearError(NO_SUCH_PLACE.format(name=name), suggestions=_EXAMPLES)
    return place


def _days(day: Day | None, today: date) -> tuple[date, ...]:
    if day is None:
        return tuple(today + timedelta(days=n) for n in range(_USUAL_DAYS))
    if day.dates[-1] > today + timedelta(days=MAX_DAYS):
        raise RefusalError(TOO_FAR.format(days=MAX_DAYS))
    return day.dates
