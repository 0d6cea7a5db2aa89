"""Texts from shopping apps are searched by their title, and by nothing else of theirs."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.worker.answering.routing import Router
from dingda.worker.errors import ClarificationNeeded
from dingda.worker.language.text import FoldedText
from dingda.worker.skills.coupons import skill
from dingda.worker.skills.coupons.wish import ONLY_A_LINK, ONLY_TAOBAO, Wish

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
ROUTER = Router([skill])


def keyword(text: str) -> str | None:
    """What is searched for; None if the text reaches no skill."""
    route = ROUTER.route(text)
    return None if route is None else Wish.extract(route.arguments, NOW)[0].keyword


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (
            "【淘宝】大促价保 https://e.tb.cn/h.Ex?tk=Yz MF278 「加厚棉拖鞋 防滑」\n点击链接打开",
            "加厚棉拖鞋 防滑",
        ),
        ("【淘宝】7天无理由退货 https://m.tb.cn/h.Ex CZ193 「棉拖鞋」", "棉拖鞋"),
        ("【天猫】退货包运费 https://e.tb.cn/h.Ex?tk=Yz HU071 「棉拖鞋」", "棉拖鞋"),
        ("17 CZ8908 aB3EXAMPLE9 https://m.tb.cn/h.Ex 加厚棉拖鞋", "加厚棉拖鞋"),
        ("找券 https://e.tb.cn/h.Ex?tk=Yz MF278 加厚棉拖鞋", "加厚棉拖鞋"),
        ("【加厚棉拖鞋】https://m.tb.cn/h.Ex 点击链接，再选择浏览器打开", "加厚棉拖鞋"),
        ("【7天无理由退货】https://m.tb.cn/h.Ex 【加厚棉拖鞋】", "加厚棉拖鞋"),
        ("復制打開手機淘寶 ￥aB3EXAMPLE9￥ 加厚棉拖鞋", "加厚棉拖鞋"),
        ("【京东】https://3.cn/Ex 「加厚棉拖鞋」点击链接打开", "加厚棉拖鞋"),
        ("优惠券 加厚棉拖鞋 https://m.tb.cn/h.Ex", "加厚棉拖鞋"),
        ("优惠券 加厚棉拖鞋 https://example.com/a?id=1", "加厚棉拖鞋"),
        ("加厚棉拖鞋 https://s.click.taobao.com/Ex", "加厚棉拖鞋"),
    ],
)
def test_a_share_is_searched_by_its_title(text: str, title: str) -> None:
    assert keyword(text) == title


@pytest.mark.parametrize(
    "text",
    [
        "€aB3EXAMPLE9€",
        "₳aB3EXAMPLE9₳",
        "₰aB3EXAMPLE9🎵",
        "🎵aBcEXAMPLE9📲",
        "8/aB3EXAMPLE9//",
        "7(￥aBcdEXAMPLE￥)/:/",
        "0_0(aB3dEXAMPLE(/",
        "a:/😺abCDEXAMPLE₤",
        "（￥ABCdEXAMPLE",
        "￥aB3EXAMPLE9￥(复制淘口令到淘宝)",
        "优惠券 €aB3EXAMPLE9€",
        "69￥ CZ0001 aB3EXAMPLE9￥ https://m.tb.cn/h.Ex 打开淘宝",
        "https://e.tb.cn/h.Ex?tk=Yz CZ3456",
        "28🗝aB3EXAMPLE9🗝 打开/",
        "ΦaB3EXAMPLE9Φ",
        "￥ aB3EXAMPLE9 ￥",
        "《aB3EXAMPLE9》",
        "【aB3EXAMPLE9】",
        "帮我看下这个 https://e.tb.cn/h.Ex",
        "《aB3EXAMPLE9》 https://m.tb.cn/h.Ex",
        "【淘宝】7天无理由退货 https://e.tb.cn/h.Ex?tk=Yz CZ3456",
        "【淘宝】没见过的承诺 https://e.tb.cn/h.Ex?tk=Yz CZ3456",
    ],
)
def test_without_a_title_the_sender_is_asked_for_it(text: str) -> None:
    with pytest.raises(ClarificationNeeded) as unclear:
        keyword(text)
    assert str(unclear.value) == ONLY_A_LINK
    assert unclear.value.suggestions


@pytest.mark.parametrize(
    "text",
    [
        "https://u.jd.com/Ex",
        "https://item.jd.com/1.html",
        "https://mobile.yangkeduo.com/g.html?i=1",
    ],
)
def test_a_link_from_another_shop_hears_which_ones_are_searched(text: str) -> None:
    with pytest.raises(ClarificationNeeded, match=ONLY_TAOBAO):
        keyword(text)


@pytest.mark.parametrize(
    ("text", "item_id"),
    [
        ("https://item.taobao.com/item.htm?id=123456789012&spm=a1z10", "123456789012"),
        ("https://detail.tmall.com/item.htm?abbucket=5&id=123456789012", "123456789012"),
    ],
)
def test_the_number_in_a_link_is_kept(text: str, item_id: str) -> None:
    wish, _ = Wish.extract(FoldedText.of(text), NOW)
    assert (wish.item_id, wish.keyword) == (item_id, "")


@pytest.mark.parametrize(
    "text",
    [
        "看一下 https://open.taobao.com/doc.htm",
        "https://github.com/a/b",
        "https://notm.tb.cn.example.com/h.Ex",
        "(development)",
        "🚀deployment",
        "￥100",
        "订单号 20261123001122",
        "密码是 aB3EXAMPLE9 别告诉别人",
        "证券",
        "他在证券公司",
        "两张入场券",
        "国库券",
        "打折腿",
        "他把腿打折了",
        "这个方案打了折扣",
        "质量不打折扣",
        "出口退税优惠政策",
        "我有两张电影券要送人",
        "这是食堂的券",
    ],
)
def test_other_links_and_words_that_only_hold_a_coupons_stay_silent(text: str) -> None:
    assert ROUTER.route(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "键盘打折吗",
        "键盘折扣",
        "键盘满减",
        "要键盘券",
        "找一下键盘的券",
        "键盘的券",
        "优惠卷 键盘",
        "求券 键盘",
        "键盘 优惠码",
        "键盘别太贵 优惠券",
    ],
)
def test_however_a_coupon_is_called_it_is_asked_for(text: str) -> None:
    assert keyword(text) == "键盘"


@given(
    st.sampled_from("€₳₰￥₤£₴₸🎵📲😺🔑"),
    st.text(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=7, max_size=9
    ),
    st.sampled_from("€₳₰￥₤£₴₸🎵📲😺🔑"),
)
def test_no_password_is_searched_for_whatever_stands_round_it(
    before: str, letters: str, after: str
) -> None:
    with pytest.raises(ClarificationNeeded, match="只凭链接或口令"):
        keyword(f"优惠券 {before}aB{letters}3{after}")
