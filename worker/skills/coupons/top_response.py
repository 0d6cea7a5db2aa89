"""TOP's response to a search: offers, or an error and its remedy for an operator."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from dingda.skill import CHINA, MALFORMED, BackendConfigError, BackendProtocolError
from dingda.worker.skills.coupons.offer import Offer

_COUPON = "券"
_TOO_OFTEN = frozenset({7, 8})
_UNAVAILABLE = 10
_BUSINESS = 15
_NOTHING_SUB_CODE = "50001"
_NONE_LISTED = (
    "it counts {total} products and lists none: DINGDA_TAOBAO_ADZONE_ID does not belong to the "
    "account of DINGDA_TAOBAO_APP_KEY"
)
_SUB_CODE = re.compile(r"[\w.:-]{1,80}")

# What an operator can do, by code; the first thing that most meet is 11.
_REMEDIES = {
    11: "the app lacks the permission: apply for that of 物料搜索升级版 "
    "(taobao.tbk.dg.material.optional.upgrade) in Taobao's console, or search a table of your own "
    "with DINGDA_COUPONS_URL; see docs/skills/coupons.md",
    15: "if the sub_code is 2, DINGDA_TAOBAO_ADZONE_ID is no ad zone of the app's account",
    25: "DINGDA_TAOBAO_APP_SECRET is not this app's, or DINGDA_TAOBAO_SIGN_METHOD is not allowed",
    28: "DINGDA_TAOBAO_APP_KEY is missing",
    29: "DINGDA_TAOBAO_APP_KEY is unknown to this gateway",
    31: "this machine's clock is more than ten minutes off",
    41: "an argument is not accepted; is DINGDA_TAOBAO_ADZONE_ID the last number of the PID?",
}
_REMEDIES |= dict.fromkeys((12, 13), _REMEDIES[11])
_NOT_THIS_ADDRESS = "add this machine's address to the app's IP white list"


@dataclass(frozen=True, slots=True)
class TopFailure:
    """An error of TOP's, which comes with HTTP 200."""

    code: int
    sub_code: str
    sub_message: str

    @property
    def is_nothing_found(self) -> bool:
        """Whether it only says that no product matches."""
        if self.code != _BUSINESS:
            return False
        return self.sub_code == _NOTHING_SUB_CODE or "无结果" in self.sub_message

    @property
    def is_too_often(self) -> bool:
        """Whether there were too many calls; a second later there may not be."""
        return self.code in _TOO_OFTEN

    @property
    def is_transient(self) -> bool:
        """Whether it is a fault of TOP's own: sub-codes `isp.` are, `isv.` are ours."""
        return self.code == _UNAVAILABLE or self.sub_code.startswith("isp.")

    @property
    def reason(self) -> str:
        """For the log: the codes and a remedy. TOP's sentences may quote keys, so not those."""
        sub_code = self.sub_code if _SUB_CODE.fullmatch(self.sub_code) else ""
        said = f"code {self.code} {sub_code}".strip()
        remedy = _REMEDIES.get(self.code, "")
        if "ip-whitelist" in sub_code:
            remedy = _NOT_THIS_ADDRESS
        return f"{said}: {remedy}" if remedy else said


def read_response(service: str, root: str, data: Any, now: datetime) -> list[Offer] | TopFailure:
    """Read a response.

    Args:
        service: TOP's name as users know it.
        root: the name of the object that holds a good response.
        data: the response's JSON.
        now: offers whose coupon has ended by now, or not begun, are left out.

    Raises:
        BackendConfigError: if products are counted and none is listed, which is TOP's response
            to an ad zone of another account (node-topsdk issue 4).
        BackendProtocolError: if it is neither a good response nor an error.
    """
    if not isinstance(data, dict):
        raise BackendProtocolError(service, "the answer is no object")
    if isinstance(error := data.get("error_response"), dict):
        return _failure(service, error)
    try:
        found = _Found.model_validate(data[root])
    except (KeyError, ValidationError):
        raise BackendProtocolError(service, f"the answer holds no {root}") from None
    entries = found.result_list.map_data if found.result_list else []
    if not entries and found.total_results > 0:
        raise BackendConfigError(service, _NONE_LISTED.format(total=found.total_results))
    return [_offer(item) for item in _items(entries) if item.coupons_hold(now)]


def _failure(service: str, error: dict[str, Any]) -> TopFailure:
    try:
        code = int(error["code"])
    except MALFORMED:
        raise BackendProtocolError(service, "the error has no code") from None
    return TopFailure(code, str(error.get("sub_code") or ""), str(error.get("sub_msg") or ""))


def _some(value: Any) -> Any:
    return "" if value is None else value


def _listed(value: Any) -> Any:
    """A list of one may come as the one itself."""
    return [] if value is None else value if isinstance(value, list) else [value]


def _nothing_if_blank(value: Any) -> Any:
    """An empty list may come as an empty string, or as the list itself."""
    return value or None


def _count(value: Any) -> int:
    """0 for what is no count."""
    return int(value) if str(value).isdecimal() else 0


def _absolute(value: Any) -> Any:
    """TOP leaves the scheme out of most addresses; DingTalk needs it."""
    return f"https:{value}" if isinstance(value, str) and value.startswith("//") else _some(value)


def _moment(value: Any) -> Any:
    """Milliseconds since 1970, or a date and time in China; None for what is neither."""
    text = str(_some(value))
    try:
        if text.isdigit():
            return datetime.fromtimestamp(int(text) / 1000, CHINA)
        return datetime.fromisoformat(text).replace(tzinfo=CHINA)
    except (ValueError, OverflowError, OSError):
        return None


_Text = Annotated[str, BeforeValidator(_some)]
_Address = Annotated[str, BeforeValidator(_absolute)]
# Written out, 1e999999999 would be a gigabyte.
_Yuan = Annotated[Decimal, Field(ge=0, max_digits=15, decimal_places=6)]
_Moment = Annotated[datetime | None, BeforeValidator(_moment)]


class _Promotion(BaseModel):
    promotion_title: _Text = ""
    promotion_fee: _Yuan = Decimal(0)
    promotion_start_time: _Moment = None
    promotion_end_time: _Moment = None

    def holds(self, now: datetime) -> bool:
        begun = self.promotion_start_time is None or self.promotion_start_time <= now
        return begun and (self.promotion_end_time is None or now < self.promotion_end_time)


class _Path(BaseModel):
    final_promotion_path_map_data: Annotated[list[_Promotion], BeforeValidator(_listed)] = []


class _Prices(BaseModel):
    final_promotion_price: _Yuan
    final_promotion_path_list: _Path | None = None


class _Basics(BaseModel):
    title: str
    shop_title: _Text = ""
    pict_url: _Address = ""


class _Links(BaseModel):
    coupon_share_url: _Address = ""
    click_url: _Address = ""


class _Item(BaseModel):
    item_basic_info: _Basics
    price_promotion_info: _Prices
    publish_info: _Links

    @property
    def coupons(self) -> list[_Promotion]:
        path = self.price_promotion_info.final_promotion_path_list
        steps = path.final_promotion_path_map_data if path else []
        return [step for step in steps if _COUPON in step.promotion_title]

    def coupons_hold(self, now: datetime) -> bool:
        return all(coupon.holds(now) for coupon in self.coupons)


class _List(BaseModel):
    map_data: Annotated[list[Any], BeforeValidator(_listed)] = []


class _Found(BaseModel):
    result_list: Annotated[_List | None, BeforeValidator(_nothing_if_blank)] = None
    total_results: Annotated[int, BeforeValidator(_count)] = 0


def _items(entries: list[Any]) -> Iterator[_Item]:
    for entry in entries:
        try:
            yield _Item.model_validate(entry)
        except ValidationError:
            # Without a price, a title or a link it is nothing that could be shown.
            continue


def _offer(item: _Item) -> Offer:
    basics, links = item.item_basic_info, item.publish_info
    return Offer(
        title=basics.title,
        url=links.coupon_share_url or links.click_url,
        price_yuan=item.price_promotion_info.final_promotion_price,
        coupon_yuan=sum((coupon.promotion_fee for coupon in item.coupons), Decimal(0)),
        shop=basics.shop_title,
        picture_url=basics.pict_url,
    )
