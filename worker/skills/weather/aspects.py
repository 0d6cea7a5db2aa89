"""The aspects that a weather question may name: rain, wind, clothes."""

from enum import Enum

from dingda.slots import Pattern

_ASKING = r"(?:吗|嘛|么|没|不|啊|呢|吧|$|[\s?？,，。!！])"
_FEELS = r"(?:冷|热|凉快?|暖和?|冻|晒|闷|潮湿?|干燥?)"
_PLENTY = r"(?:大|小|暴|中|阵|雷阵|毛毛)?"


class Aspect(Enum):
    """What is asked, and the words for it; in the order in which they are answered."""

    UMBRELLA = (
        r"(?:要|用|需要?|该|得)不?(?:要|用|需要)?带把?雨?伞|带不带雨?伞|带雨?伞(?:吗|么|不|嘛|呢|$|[\s?？])"
        r"|\bumbrella\b"
    )
    RAIN = (
        rf"(?:下|降|落)(?:过|了)?{_PLENTY}雨|(?:有|没)(?:没有?|没|木有|不有)?{_PLENTY}雨{_ASKING}"
        rf"|{_PLENTY}雨(?:大|停)(?:吗|不|么|了)|{_PLENTY}雨{_ASKING}|降水|降雨|打雷|雷雨|冰雹|\brain\w*"
    )
    SNOW = (
        rf"(?:下|降|落)(?:过|了)?{_PLENTY}雪|(?:有|没)(?:没有?|没)?{_PLENTY}雪{_ASKING}"
        rf"|{_PLENTY}雪大|\bsnow\w*"
    )
    WIND = (
        r"(?:刮|起)(?:大|台)?风|风(?:大|小|强)(?:吗|不|么|嘛|啊|呢)|风力|风速|风向|几级风|多大的?风|风有多大|风多大"
        rf"|(?:有|没)(?:没有?|没)?(?:大|台)?风{_ASKING}|\bwind\w*"
    )
    CLOTHES = (
        r"穿(?:些|点)?(?:什么|啥|多少|几件|多厚|哪)|怎么穿|如何穿|咋穿|穿衣(?:服|指数|建议)?|穿搭"
        r"|(?:能|可以|要|得|该|需要)穿.{1,4}(?:吗|么|不)|\bwear\b"
    )
    WARMER = r"升温|降温|回暖|变冷|变暖|变热|转凉|冷空气|寒潮"
    COLD = (
        rf"{_FEELS}不{_FEELS}|{_FEELS}(?:吗|么|嘛)|{_FEELS}不(?:$|[\s?？,，。!！])"
        r"|哪(?:个|里|儿|边)?(?:更|最|比较)?(?:冷|热|暖|凉)|结冰|霜冻|\b(?:cold|hot|warm|chilly)\b"
    )
    FOG = rf"(?:有|没|起)(?:没有?|没)?(?:大|浓)?雾{_ASKING}|(?:大|浓)雾|能见度|\bfog\w*"
    SUN = r"紫外线|防晒(?:吗|么|嘛|$)|\buv\b"
    SUNRISE = (
        r"日[出落](?:时间|是?(?:几点|什么时候|啥时候))|(?:几点|什么时候|啥时候)(?:日[出落]|天[亮黑])"
        r"|天[亮黑](?:时间|是?(?:几点|什么时候))|\bsun(?:rise|set)\b"
    )
    OTHERWISE = (
        rf"湿度|太阳(?:大|毒|好|晒)|有太阳{_ASKING}|(?:适合|能|可以)洗车|晒被子|晾衣|梅雨|回南天|入(?:冬|夏|秋|春)了?(?:吗|没)"
        rf"|[雨雪](?:什么时候|啥时候|几点)?停|(?:放|转|是)晴|晴天?吗|阴天?吗|多云吗|体感"
    )
    """What the lines below tell."""
    AIR = r"空气(?:质量|污染|指数|好|差|怎么样|如何|$|[\s?？])|雾霾|有霾|沙尘|\baqi\b|pm ?2\.?5"
    TYPHOON = r"台风|飓风|\btyphoon\b"


ASKING = "|".join(aspect.value for aspect in Aspect)
"""A pattern of all of them."""
_PATTERNS = {aspect: Pattern(aspect.value) for aspect in Aspect}


def aspects_in(text: str) -> list[Aspect]:
    """What a text asks for, in the order in which that is answered.

    Args:
        text: as it is matched.
    """
    return [aspect for aspect, pattern in _PATTERNS.items() if pattern.search(text)]
