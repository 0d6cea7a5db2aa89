"""What shopping apps put on the clipboard: a title between marks, a link, a password.

【淘宝】大促价保 https://e.tb.cn/h.X?tk=Y MF278 「title」 点击链接直接打开. The marks round a
password change every year, its shape doesn't: ten to thirteen letters and digits in mixed case, as
a rule. A password or a link alone says nothing of the product to anybody but the app itself.
"""

from dataclasses import dataclass

from dingda.slots import FoldedText, Match, Pattern, to_simplified

_ITEM_HOSTS = (
    r"(?:(?:[a-z]{1,4}\.)?tb\.cn|(?:item|s\.click|uland|[hm]5|(?:[a-z0-9]+\.)?m)\.taobao\.com"
    r"|(?:detail|(?:[a-z]+\.)?detail|[a-z]+\.m|detail\.m)\.tmall\.(?:com|hk))/"
)
_OTHER_HOSTS = (
    r"(?:u\.jd\.com|item\.(?:m\.)?jd\.com|3\.cn|(?:[a-z0-9]+\.)?yangkeduo\.com|p\.pinduoduo\.com)/"
)
_SHAPE = r"[A-Za-z0-9]{8,13}"

FROM_A_SHOP = (
    rf"(?:^|[^a-z0-9.-])(?:{_ITEM_HOSTS}|{_OTHER_HOSTS})"
    # A password between marks that no sentence has, or before slashes and brackets.
    r"|[\p{Sc}\p{Greek}]\s?[a-z0-9]{8,13}\s?[\p{Sc}\p{Greek}]|\p{Sc}[a-z0-9]{10,13}(?:[^a-z0-9]|$)"
    r"|\p{So}[a-z0-9]{10,13}[\p{Sc}\p{So}]|(?:^|[\s(/:])[a-z0-9]{10,13}(?:[\p{Sc}\p{So}]|//|\(/|\)/)"
)
"""What a text holds, in lower case, that was shared from such an app, as part of a pattern."""
BRACKETED = (
    r"[^\pL\d]*(?:\d{1,2}[^\pL\d]+)?"
    r"[《(【\[<{](?:[a-z]+\d|\d+[a-z])[a-z0-9]{6,11}[》)】\]>}][^\pL\d]*$"
)
"""The same of a text that is a password in brackets and nothing else."""

_LINK = Pattern(r"(?i)(?:https?://)?(?:[a-z0-9-]+\.)+(?:com|cn|hk)/[!-~]*|https?://[!-~]*")
_TAOBAO = Pattern(rf"(?:^|[^a-z0-9.-]){_ITEM_HOSTS}")
_ELSEWHERE = Pattern(rf"(?:^|[^a-z0-9.-]){_OTHER_HOSTS}|【(?:京东|拼多多)】")
_ITEM_ID = Pattern(r"(?:taobao|tmall)\.[a-z]+/[!-~]*?[?&](?:id|itemid)=(?P<id>\d{6,20})(?:[^\d]|$)")
_TITLE = Pattern(r"「(?P<title>[^」]+)」")
# Shorter ones are marks such as 【淘宝】 and 【假一赔四】.
_TITLE_OR_MARK = Pattern(r"【(?P<title>[^】]{5,})】")
_MARKED = Pattern(
    rf"(?:[\p{{Sc}}\p{{So}}\p{{Greek}}]\s*|^[^A-Za-z\d]*[《(【\[<{{])(?P<password>{_SHAPE})(?:[^A-Za-z0-9]|$)"
    rf"|(?:^|[^A-Za-z0-9])(?P<other>{_SHAPE})\s*(?:[\p{{Sc}}\p{{So}}]|//|[()]/)"
)
_ONE_TOKEN = Pattern(rf"^{_SHAPE}$")
_TOKEN = Pattern(rf"(?:^|[^A-Za-z0-9])(?P<taken>{_SHAPE})")
_CODE = Pattern(r"(?:^|[^A-Za-z0-9])(?P<taken>(?:\d{1,3}\s+)?[A-Z]{1,3}\d{3,5})(?:[^A-Za-z0-9]|$)")
_ADVICE = Pattern(
    r"点击(?:此|本|上方|下方)?链接\S*|[(\[]?复制\S{0,12}?(?:打开|这[段条]|口令|到淘宝|信息)\S*"
    r"|打开\S{0,4}(?:淘宝|天猫)\S*|(?:手机)?淘宝搜索\S*|(?:^|\s)或者?(?:\s|$)"
)
_ASSURANCE = Pattern(
    r"(?:\d+|七)天无理由(?:退[换]?货)?|(?:退货)?包运费|退货运费险|运费险|大促价保|(?:\d+天)?价保|保价"
    r"|假一赔[一二三四五十\d]+|正品保[障证]|官方(?:正品|补贴|立减)|先用后付|极速退款|百亿补贴|破损包退"
)
_PRAISE_BEFORE_LINK = Pattern(r"(?P<taken>【.{1,4}】[^「【】]{0,40}?)https?://")
_POINTS_AT_IT = Pattern(r"(?:帮我)?看一?[下看]|[这那]个|打开|复制|淘?口令|链接")
_NUMBER_BEFORE = Pattern(r"^\s*(?P<taken>[A-Za-z0-9_]{1,3})(?:\s|$)")
_MARKS = Pattern(r"[\p{Sc}\p{So}\p{Greek}(){}\[\]/:|\\《》「」【】]+")


@dataclass(frozen=True, slots=True)
class Share:
    """What a shared text says of its product."""

    title: str
    """Empty if it says none."""
    words: FoldedText
    """What was typed besides."""
    is_share: bool
    """Whether there was a link, a password or a code at all."""
    item_id: str = ""
    is_from_elsewhere: bool = False
    """Whether it is another shop's than Taobao's."""


def read_share(words: FoldedText) -> Share:
    """Take what is shared apart from what is typed."""
    item, elsewhere = _ITEM_ID.search(words.folded), _ELSEWHERE.search(words.folded)
    is_linked = bool(_LINK.search(words.original) and (_TAOBAO.search(words.folded) or elsewhere))
    is_share = is_linked or _is_password(words.original)
    title = _title(words.original)
    if title:
        words = words.without(*title.span)
    if is_share or title:
        words = _without(words, _PRAISE_BEFORE_LINK)
    words = _without(words, _LINK)
    if is_share or title:
        words = _without(_without_passwords(words), _CODE)
        words = _without_advice(words, _ADVICE, _ASSURANCE)
    if is_share:
        words = _without_advice(_without(words, _MARKS, _NUMBER_BEFORE), _POINTS_AT_IT)
    return Share(
        title=title["title"] if title else "",
        words=words,
        is_share=is_share,
        item_id=item["id"] if item else "",
        is_from_elsewhere=bool(elsewhere),
    )


def _title(shown: str) -> Match | None:
    for pattern in (_TITLE, _TITLE_OR_MARK):
        for found in pattern.find_all(shown):
            title = to_simplified(found["title"])
            is_password = _ONE_TOKEN.search(title) and _is_mixed(title)
            if _ASSURANCE.replace("", title).strip() and not is_password:
                return found
    return None


def _is_password(shown: str) -> bool:
    return any(_is_mixed(found["password"] or found["other"]) for found in _MARKED.find_all(shown))


def _is_mixed(token: str) -> bool:
    """Whether it is no word: upper case behind its first letter, or digits, besides others."""
    kinds = {
        "digit" if each.isdigit() else "upper" if each.isupper() else "lower" for each in token[1:]
    }
    return len(kinds) > 1


def _without_passwords(words: FoldedText) -> FoldedText:
    spans = [found.span for found in _TOKEN.find_all(words.original) if _is_mixed(found.taken)]
    return words.without_all(spans)


def _without_advice(words: FoldedText, *patterns: Pattern) -> FoldedText:
    for pattern in patterns:
        words = words.without_all([found.span for found in pattern.find_all(words.folded)])
    return words


def _without(words: FoldedText, *patterns: Pattern) -> FoldedText:
    for pattern in patterns:
        words = words.without_all([found.span for found in pattern.find_all(words.original)])
    return words
