"""The demo's coupon table: a small SQLite file with invented offers."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

# The table of docs/skills/coupons.md.
_SCHEMA = """
CREATE TABLE coupon_items (
  id BIGINT PRIMARY KEY,
  item_id VARCHAR(64) NOT NULL,
  title VARCHAR(255) NOT NULL,
  title_fold VARCHAR(255) NOT NULL,
  shop_title VARCHAR(128),
  platform VARCHAR(16) NOT NULL DEFAULT 'taobao',
  pict_url VARCHAR(512),
  reserve_price NUMERIC(12,2),
  zk_final_price NUMERIC(12,2) NOT NULL,
  coupon_amount NUMERIC(12,2) NOT NULL DEFAULT 0,
  coupon_start_fee NUMERIC(12,2),
  coupon_start_time TIMESTAMP,
  coupon_end_time TIMESTAMP,
  coupon_share_url VARCHAR(1024) NOT NULL,
  volume INTEGER NOT NULL DEFAULT 0,
  updated_at TIMESTAMP NOT NULL
)
"""
_INSERT = """
INSERT INTO coupon_items VALUES (:id, :item_id, :title, :title_fold, :shop, :platform, :picture,
  :reserve_price, :price, :coupon, :coupon_from, NULL, :ends, :url, :volume, :updated_at)
"""


@dataclass(frozen=True, slots=True)
class DemoOffer:
    """An invented offer; money in yuan."""

    slug: str
    title: str
    shop: str
    price: float
    coupon: float
    coupon_from: float
    volume: int
    ends: str | None = None

    @property
    def title_fold(self) -> str:
        """As a feed writes it with `dingda.slots.fold`: these titles need no more than this."""
        return self.title.replace("-", " ").casefold()


_ENDED = "2026-01-31 23:59:59"

OFFERS = (
    DemoOffer(
        "keyboard-87", "机械键盘 87键 红轴 热插拔 有线", "敲敲外设旗舰店", 199, 40, 180, 5200
    ),
    DemoOffer(
        "keyboard-98", "无线机械键盘 三模 98键 静音茶轴", "敲敲外设旗舰店", 239, 50, 200, 3100
    ),
    DemoOffer("keyboard-64", "迷你机械键盘 64键 青轴 白光", "小方桌数码", 139, 20, 100, 2700),
    DemoOffer("keyboard-pro", "铝坨坨机械键盘 客制化 Gasket 结构", "轴心工坊", 459, 60, 400, 640),
    DemoOffer("keyboard-film", "薄膜键盘 静音 办公 USB 有线", "小方桌数码", 59, 10, 50, 8800),
    DemoOffer("mouse-silent", "无线鼠标 静音 可充电 双模", "小方桌数码", 49.9, 10, 39, 15200),
    DemoOffer("mouse-vertical", "人体工学鼠标 竖握 垂直 护腕", "舒腕旗舰店", 129, 20, 99, 1900),
    DemoOffer(
        "mouse-game", "电竞游戏鼠标 轻量化 有线 12000DPI", "敲敲外设旗舰店", 99, 15, 88, 4300
    ),
    DemoOffer("mouse-pad", "超大鼠标垫 防滑 锁边 900x400", "小方桌数码", 25.8, 5, 20, 21000),
    DemoOffer(
        "headphones-nc", "头戴式蓝牙耳机 主动降噪 长续航", "听雨音频旗舰店", 399, 80, 299, 2600
    ),
    DemoOffer("earbuds", "真无线蓝牙耳机 半入耳 通话降噪", "听雨音频旗舰店", 129, 30, 99, 18700),
    DemoOffer("earphones-wired", "有线耳机 Type-C 线控 带麦", "小方桌数码", 29.9, 5, 20, 9600),
    DemoOffer("tea-longjing", "明前龙井茶叶 绿茶 礼盒装 250g", "半山茶舍", 188, 30, 150, 2300),
    DemoOffer("tea-tieguanyin", "铁观音茶叶 清香型 独立小包 500g", "半山茶舍", 128, 20, 100, 4100),
    DemoOffer("tea-puer", "熟普洱茶叶 饼茶 357g", "云上老茶铺", 96, 10, 90, 1500),
    DemoOffer("cup", "316不锈钢保温杯 500ml 大容量", "杯子先生", 69, 15, 59, 12800),
    DemoOffer("lamp", "护眼台灯 国AA级 无频闪 充电两用", "明窗照明旗舰店", 159, 40, 139, 3700),
    DemoOffer("charger", "65W 氮化镓充电器 三口 快充", "满格数码", 89, 20, 79, 16400),
    DemoOffer("chair", "人体工学椅 办公椅 网布 可躺", "坐得住家具", 699, 120, 600, 1100),
    DemoOffer(
        "keyboard-old", "机械键盘 104键 黑轴 清仓", "小方桌数码", 99, 50, 90, 400, ends=_ENDED
    ),
)
"""The last one's coupon has ended, so nobody is shown it."""


def create(path: Path) -> None:
    """Write the table to a new file, in place of one that may be there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(_SCHEMA)
        rows = [_row(number, offer) for number, offer in enumerate(OFFERS, start=1)]
        database.executemany(_INSERT, rows)


def _row(number: int, offer: DemoOffer) -> dict[str, object]:
    return {
        "id": number,
        "item_id": f"demo-{offer.slug}",
        "title": offer.title,
        "title_fold": offer.title_fold,
        "shop": offer.shop,
        "platform": "tmall" if offer.shop.endswith("旗舰店") else "taobao",
        "picture": f"https://img.example.com/coupons/{offer.slug}.jpg",
        "reserve_price": offer.price * 1.5,
        "price": offer.price,
        "coupon": offer.coupon,
        "coupon_from": offer.coupon_from,
        "ends": offer.ends,
        "url": f"https://coupons.example.com/{offer.slug}",
        "volume": offer.volume,
        "updated_at": datetime(2026, 11, 1).isoformat(sep=" "),  # noqa: DTZ001 - China's, without a zone
    }
