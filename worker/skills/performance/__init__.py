"""How one is judged at work, for oneself and for one's manager.

我的绩效 · 绩效 上个季度 · 绩效 张三 十月 · 张三去年的绩效怎么样
"""

import logging
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from dingda.skill import (
    LIMITS_MEANING,
    NO_LIMITS,
    Context,
    Limits,
    LimitsSetting,
    Markdown,
    RefusalError,
    Skill,
    SkillSettings,
)
from dingda.slots import MAX_CHARS, Pattern, Period, fold, to_simplified
from dingda.worker.skills.performance.rights import Subject, find_subject
from dingda.worker.skills.performance.sources import (
    BOUNDS,
    HR,
    QUERY,
    Row,
    check_query,
    read_service,
    read_table,
)
from dingda.worker.skills.performance.wording import NOT_KNOWN, NOT_SET_UP, show

logger = logging.getLogger(__name__)

skill = Skill("performance", summary="查绩效", private=True)

# 业绩 and 考核 alone are ordinary words; one's own are asked for, with a period between.
_PATTERN = (
    r"绩效|kpi|(?:\bmy (?:[a-z]+ ){0,3}"
    r"|(?:我|本人)的?[的上下本这去今前大明年个月季度第一二三四五六七八九十\dq次终中底半全近\s]{0,12})"
    r"(?P<taken>performance\b|业绩|考核|评级|评分)"
)
_OWN = frozenset({"", "我", "我自己", "本人", "自己", "我本人", "个人", "my", "me", "mine"})
_BLANKS = r"[\s的,，。？?!！：:]"
_MINE = Pattern(r"我的|我自己|本人|\b(?:my|mine)\b")
# What names no period: the newest are shown anyhow.
_ANY_PERIOD = Pattern(
    r"最近|近期|近来|近?(?:\d{1,2}|[一二两三四五六七八九十几])个?(?:月|季度)(?:以来)?|近?[一半]年"
    r"|历史|历年|历次|往年|每个?[月季年]度?"
    r"|[月季]度|双[月周]|这次|本次|上次|\b(?:the )?(?:latest|recent)\b"
)
_RESULT = r"绩效|业绩|考核|评级|评分|评价|评估|考评|成绩|结果|情况|得分|分数|等级|排名|排行|名次"
_NOISE = Pattern(
    rf"^(?:{_RESULT}|请问|麻烦|你好|帮忙|帮我|给我|我?想?知道|我想|想(?:看看?|查查?|问问?|了解)"
    r"|查询|查看|查一下|查|看一下|看看|看|告诉我|一下|关于"
    r"|\b(?:show|check|see|tell|please|what is|what's|how is)\b"
    rf"|{_BLANKS})+"
    rf"|(?:{_RESULT}|第几|怎么样|怎样|如何|是多少|多少分|多少|几分|是什么|什么|好不好|好吗|出来|了|吗|呢|吧|啊|呀|谢谢"
    rf"|{_BLANKS})+$"
)


def _http(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _url(url: SecretStr) -> SecretStr:
    value = url.get_secret_value()
    if _http(value):
        return url
    # SQLAlchemy is slow to import: only where there is a database, and at the start.
    from sqlalchemy import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        make_url(value)
    except ArgumentError:
        raise ValueError("must be an HR service's https:// URL, or SQLAlchemy's") from None
    return url


def _limits(limits: Limits, info: ValidationInfo) -> Limits:
    url = info.data.get("performance_url")
    if url and not _http(url.get_secret_value()):
        BOUNDS.limited(limits)
    return limits


def _query(query: str) -> str:
    # A test checks the default: SQLAlchemy is slow to import, and often there is no database.
    return query if query == QUERY.strip() else check_query(query)


class PerformanceSettings(SkillSettings):
    """Where performance data is."""

    performance_url: Annotated[SecretStr, AfterValidator(_url)] | None = Field(
        None,
        description="An SQLAlchemy URL of a database, with an account that may only read; "
        "or an HR service's https:// address.",
    )
    performance_query: Annotated[str, AfterValidator(_query)] = Field(
        QUERY.strip(),
        description="The SELECT for a database, by :staff_id and :period ('' for any). Its columns "
        "are what is shown.",
    )
    performance_token: SecretStr | None = Field(
        None, description="The bearer token for an HR service."
    )
    performance_limits: Annotated[LimitsSetting, AfterValidator(_limits)] = Field(
        NO_LIMITS, description=LIMITS_MEANING.format(service="the database or HR service")
    )


@skill.command("绩效", "我的绩效", "查绩效", "业绩", "performance", pattern=_PATTERN)
async def performance(
    ctx: Context,
    settings: PerformanceSettings,
    period: Period | None = None,
    who: Annotated[str, "姓名"] = "",
) -> Markdown:
    """Up to three periods, the newest first."""
    if settings.performance_url is None:
        logger.warning("performance is not set up: set DINGDA_PERFORMANCE_URL")
        raise RefusalError(NOT_SET_UP)
    name = name_in(who)
    # A name behind an @ may be the bot's, so "my" counts for more; but a question about somebody
    # must never be answered with one's own numbers.
    is_own = not name and _MINE.search(fold(ctx.text))
    typed = () if is_own else ctx.names
    subject = await find_subject(ctx.message, name, typed, ctx.services.dingtalk)
    rows = await _read(ctx, settings, subject, period) if subject else ()
    if not (subject and rows):
        # The same words whether there is no right, no data or no such person.
        raise RefusalError(NOT_KNOWN)
    return show(rows, subject.name, say=ctx.localize)


def name_in(words: str) -> str:
    """The name in what was typed besides the command and the period; "" if it is the sender's own.

    Politeness and question words around it are left out.
    """
    typed = _ANY_PERIOD.replace(" ", to_simplified(words[:MAX_CHARS]))
    bare = _NOISE.replace("", " ".join(typed.split()))
    return "" if fold(bare) in _OWN else bare.lstrip("@＠")


async def _read(
    ctx: Context, settings: PerformanceSettings, subject: Subject, period: Period | None
) -> Sequence[Row]:
    url = settings.performance_url.get_secret_value() if settings.performance_url else ""
    key = period.key if period else ""
    if _http(url):
        token = settings.performance_token.get_secret_value() if settings.performance_token else ""
        return await read_service(
            ctx.services.http,
            url,
            token,
            staff_id=subject.staff_id,
            period=key,
            backend=HR.limited(settings.performance_limits),
        )
    return await read_table(
        ctx.services.databases,
        url,
        settings.performance_query,
        bounds=BOUNDS.limited(settings.performance_limits),
        staff_id=subject.staff_id,
        period=key,
    )
