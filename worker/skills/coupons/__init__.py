"""Coupons for what people want to buy, from a table of one's own or Taobao's alliance.

优惠券 机械键盘 200元以内 · 找券 鼠标 · 有没有便宜的耳机优惠 · a text shared from Taobao
"""

import logging
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from dingda.skill import (
    LIMITS_MEANING,
    NO_LIMITS,
    Bounds,
    ClarificationNeeded,
    Context,
    Limits,
    LimitsSetting,
    RefusalError,
    Reply,
    Skill,
    SkillSettings,
    Text,
)
from dingda.slots import is_traditional
from dingda.worker.skills.coupons.feed import feed, nothing_found
from dingda.worker.skills.coupons.offer import Offer
from dingda.worker.skills.coupons.share import BRACKETED, FROM_A_SHOP
from dingda.worker.skills.coupons.taobao import TAOBAO, App, search_taobao
from dingda.worker.skills.coupons.top_signature import SignMethod
from dingda.worker.skills.coupons.wish import ONLY_A_LINK, SUGGESTIONS, Wish

logger = logging.getLogger(__name__)

skill = Skill("coupons", summary="找优惠券")

NOT_SET_UP = "找优惠券的功能还没有配置好，请联系管理员"

_COUPON = "[券卷劵]"
# 证券, 入场券 and their like are other papers.
_OTHERS = "证场库债奖彩礼餐饭粮票股邮金用换业货费"
_ASKING = r"[吗呢么吧不嘛啊呀没有了\s]*[?!。]*$"
# What asks for coupons, anywhere or as all that is said; so that 打折腿 and 打了折扣 don't.
_ANYWHERE = (
    rf"优惠{_COUPON}|优惠(?:[^政税利条期待]|$)|[找领有]{_COUPON}|淘宝客|\bcoupons?\b"
    rf"|(?:要|找|领|求|搜|查|买|有|给|想)[^,。!?;]{{0,20}}[^{_OTHERS}]券[吗呢么吧不嘛啊呀\s]*(?:[?!,。]|$)"
    r"|有没有打折|[找买求搜][^,。]{0,6}打折的|有(?:什么|没有)?(?:折扣|满减)"
    r"|\bdiscounts? (?:on|for)\b"
)
_ALL = (
    rf"[\s?!,。]*{_COUPON}{_ASKING}|[求要]?券\s|[a-z\d -]{{2,40}} discounts?\s*[?!]*$"
    rf"|[^这那我你他她它\s,。]{{1,16}}的券{_ASKING}"
    rf"|[^\s,。!?{_OTHERS}]{{1,8}}[^{_OTHERS}发的]券(?:{_ASKING}|\s+\S{{0,9}}\d)"
    rf"|[^\s,。被把将腿骨手臂]{{1,16}}打折{_ASKING}|打折[的\s]"
    rf"|[^,。!?]{{0,15}}[^打了个不大的\s]的?\s?折扣{_ASKING}|[^,。!?]{{1,16}}满减券?{_ASKING}"
)
# Nothing of it is taken away: a wish knows these words as well.
_PATTERN = rf"^(?P<taken>)(?:{_ALL}|{BRACKETED}|(?s:.*?)(?:{_ANYWHERE}|{FROM_A_SHOP}))"


def _database_url(url: SecretStr) -> SecretStr:
    # SQLAlchemy is slow to import: only where there is a database, and at the start.
    from sqlalchemy import make_url  # noqa: PLC0415
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        make_url(url.get_secret_value())
    except ArgumentError:
        raise ValueError("must be an SQLAlchemy URL, such as sqlite:///coupons.db") from None
    return url


def _database_limits(limits: Limits) -> Limits:
    Bounds().limited(limits)
    return limits


class CouponSettings(SkillSettings):
    """Where offers come from: a table, or else Taobao."""

    coupons_url: Annotated[SecretStr, AfterValidator(_database_url)] | None = Field(
        None,
        description="An SQLAlchemy URL of a database with the table `coupon_items`. "
        "Set: it is searched rather than Taobao.",
    )
    coupons_limits: Annotated[LimitsSetting, AfterValidator(_database_limits)] = Field(
        NO_LIMITS,
        description="What one worker asks of that database: any of at_once, timeout_s and wait_s.",
    )
    taobao_url: str = Field(
        "https://eco.taobao.com/router/rest", description="Taobao's open platform (TOP)."
    )
    taobao_app_key: str | None = Field(None, description="The AppKey of an app there.")
    taobao_app_secret: SecretStr | None = Field(None, description="Its AppSecret.")
    taobao_adzone_id: str | None = Field(
        None,
        pattern=r"^\d+$",
        description="Where the commission goes: the last number of the PID mm_…_…_<this>.",
    )
    taobao_sign_method: SignMethod = Field(
        "hmac-sha256", description="How calls are signed: hmac-sha256, hmac or md5."
    )
    taobao_limits: LimitsSetting = Field(
        NO_LIMITS, description=LIMITS_MEANING.format(service="Taobao")
    )

    @property
    def taobao_app(self) -> App | None:
        """The app at Taobao; None unless it is set up."""
        if not (self.taobao_app_key and self.taobao_app_secret and self.taobao_adzone_id):
            return None
        return App(
            url=self.taobao_url,
            key=self.taobao_app_key,
            secret=self.taobao_app_secret.get_secret_value(),
            adzone_id=self.taobao_adzone_id,
            sign_method=self.taobao_sign_method,
            backend=TAOBAO.limited(self.taobao_limits),
        )


@skill.command(
    "优惠券", "优惠卷", "优惠劵", "找券", "淘宝客", "领券", "coupon", "coupons", pattern=_PATTERN
)
async def find(wish: Wish, ctx: Context, settings: CouponSettings) -> Reply:
    """Up to five offers, each with its price after the coupon."""
    if is_traditional(ctx.text):
        wish = wish.in_mainland_words()
    offers = await _search(wish, ctx, settings)
    if not offers and not wish.keyword:
        raise _only_a_link()
    return feed(offers, say=ctx.localize) or Text(ctx.localize(nothing_found(wish)), at=ctx.mention)


async def _search(wish: Wish, ctx: Context, settings: CouponSettings) -> list[Offer]:
    if settings.coupons_url:
        from dingda.worker.skills.coupons.table import search_table  # noqa: PLC0415 - as above

        url = settings.coupons_url.get_secret_value()
        return await search_table(
            ctx.services.databases, url, wish, ctx.now, settings.coupons_limits
        )
    if app := settings.taobao_app:
        if not wish.keyword:
            raise _only_a_link()  # Taobao keeps products' numbers from ordinary apps
        return await search_taobao(ctx.services.http, app, wish, ctx.now)
    logger.warning(
        "coupons are not set up: set DINGDA_COUPONS_URL, or DINGDA_TAOBAO_APP_KEY, "
        "DINGDA_TAOBAO_APP_SECRET and DINGDA_TAOBAO_ADZONE_ID"
    )
    raise RefusalError(NOT_SET_UP)


def _only_a_link() -> ClarificationNeeded:
    return ClarificationNeeded(
        ONLY_A_LINK, suggestions=tuple(f"优惠券 {each}" for each in SUGGESTIONS)
    )
