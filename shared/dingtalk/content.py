"""The content of a message, by its kind: text, pictures, files, voice, a quotation.

Shapes are those of DingTalk's "receive-message" and of captured callbacks; clients differ, so a
field is read under each of its names. Downloads follow their codes through the OpenAPI.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from dingda.shared.dingtalk.fields import first_string, mapping, objects, string

MAX_QUOTED_CHARS = 4_000
"""How much of a quotation is kept: a card's text is told as a tree of many runs."""
_MAX_NODES = 5_000
_MAX_NAME_WORDS, _MAX_NAME_CHARS = 3, 40


class Kind(StrEnum):
    """What kind of message it is; `OTHER` is any that robots are not told about."""

    TEXT = "text"
    RICH_TEXT = "richText"
    MARKDOWN = "markdown"
    VOICE = "voice"
    PICTURE = "picture"
    FILE = "file"
    VIDEO = "video"
    FORWARDED = "chatRecord"
    CARD = "interactiveCard"
    OTHER = "other"


_KINDS = {kind.value: kind for kind in Kind} | {
    "audio": Kind.VOICE,
    "reply": Kind.TEXT,
    "image": Kind.PICTURE,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was sent.

    >>> @skill.command("识图")
    ... def look(picture: Picture) -> str:
    ...     return f"收到图片 {picture.code}"
    >>> asyncio.run(ask(skill, "识图", pictures=(Picture("code"),))).content
    '收到图片 code'
    """

    label: ClassVar[str] = "图片"

    code: str = field(repr=False)
    """DingTalk's downloadCode."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that was sent, or a video.

    >>> @skill.command("存档")
    ... def keep(file: File) -> str:
    ...     return f"收到 {file.name}"
    >>> asyncio.run(ask(skill, "存档", files=(File("code", "周报.docx"),))).content
    '收到 周报.docx'
    """

    label: ClassVar[str] = "文件"

    code: str = field(repr=False)
    """DingTalk's downloadCode; "" for a file that only lies in somebody's space."""
    name: str = field(repr=False)
    """Its name; "" for a video."""
    kind: Kind = Kind.FILE
    """`FILE` or `VIDEO`."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice message.

    >>> @skill.command("听写")
    ... def write_down(voice: Voice) -> str:
    ...     return f"听到：{voice.text}"
    >>> asyncio.run(ask(skill, "听写", voice=Voice("code", "你好"))).content
    '听到：你好'
    """

    label: ClassVar[str] = "语音"

    code: str = field(repr=False)
    """DingTalk's downloadCode."""
    text: str = field(repr=False)
    """What DingTalk understood of it; "" if nothing."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """The message that this one replies to.

    >>> @skill.command("翻译")
    ... def translate(quoted: Quoted) -> str:
    ...     return f"要翻译的是：{quoted.text}"
    >>> quoted = Quoted("text", "hello", sender_id="", is_bots=False)
    >>> asyncio.run(ask(skill, "翻译", quoted=quoted)).content
    '要翻译的是：hello'
    """

    label: ClassVar[str] = "引用的消息"

    kind: Kind
    text: str = field(repr=False)
    """Its words, of a forwarded conversation or a card the first 4,000 characters; "" if it has
    none, or DingTalk only names it."""
    sender_id: str = field(repr=False)
    """Its sender's id, as DingTalk encrypts it; "" where it is absent."""
    is_bots: bool
    """Whether the bot itself sent it."""
    pictures: tuple[Picture, ...] = ()
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What a message holds."""

    kind: Kind
    runs: tuple[str, ...] = field(default=(), repr=False)
    """Its words, as a client cut them; they are joined with nothing between."""
    pictures: tuple[Picture, ...] = ()
    files: tuple[File, ...] = ()
    voice: Voice | None = None

    @property
    def text(self) -> str:
        """All of its words."""
        return "".join(self.runs)


def kind_of(msgtype: Any) -> Kind:
    """The kind that a msgtype names."""
    return _KINDS.get(msgtype, Kind.OTHER) if isinstance(msgtype, str) else Kind.OTHER


def read_content(fields: dict[str, Any]) -> Content:
    """Read a callback's content.

    Args:
        fields: the callback's; its content is in a field of the kind's name or in `content`.
    """
    kind = kind_of(fields.get("msgtype"))
    own = fields.get(fields["msgtype"]) if kind is not Kind.OTHER else None
    return _read(kind, fields.get("content") if own is None else own)


def read_quoted(fields: dict[str, Any], bot_id: str) -> Quoted | None:
    """Read the message that a callback replies to: in its text, in its content, or beside them.

    Args:
        fields: the callback's.
        bot_id: the bot's own encrypted id.
    """
    holders = (mapping(fields.get("text")), mapping(fields.get("content")), fields)
    quoted = next((q for holder in holders if (q := mapping(holder.get("repliedMsg")))), None)
    if quoted is None:
        return None
    kind = kind_of(quoted.get("msgType", quoted.get("msgtype")))
    content = _read(kind, quoted.get("content"))
    sender_id = string(quoted, "senderId")
    return Quoted(
        kind=kind,
        text=content.text[:MAX_QUOTED_CHARS],
        sender_id=sender_id,
        is_bots=bool(bot_id) and sender_id == bot_id,
        pictures=content.pictures,
        files=content.files,
    )


def without_mentions(runs: Sequence[str], *, mentioned: int) -> tuple[list[str], list[str]]:
    """Take out the runs that are mentions: a client cuts the words at either side of one.

    The first run is one if it is `@` and a name, which may hold blanks, and words follow. Of the
    others only those are that hold nothing else, and no more than DingTalk says were mentioned:
    what looks like another was typed by hand.

    Args:
        runs: a message's words, as a client cut them.
        mentioned: how many were mentioned, the bot included.

    Returns:
        The runs that are left, and the names without the @.
    """
    left: list[str] = []
    names: list[str] = []
    words_follow = any(run.strip() and not _is_mention(run, 1) for run in runs[1:])
    for index, run in enumerate(runs):
        most_words = _MAX_NAME_WORDS if index == 0 and words_follow else 1
        if len(names) < mentioned and _is_mention(run, most_words):
            names.append(run.strip().lstrip("@＠"))
        else:
            left.append(run)
    return left, names


def _is_mention(run: str, most_words: int) -> bool:
    name = run.strip()
    is_short = 1 < len(name) <= _MAX_NAME_CHARS and len(name.split()) <= most_words
    return is_short and name[0] in "@＠" and not any(mark in name[1:] for mark in "@＠/\n")


def _read(kind: Kind, value: Any) -> Content:
    fields = mapping(value)
    match kind:
        case Kind.RICH_TEXT:
            runs = objects(value) or objects(fields.get("richText", fields.get("rich_text")))
            return _read_runs(runs)
        case Kind.VOICE:
            voice = Voice(string(fields, "downloadCode"), string(fields, "recognition"))
            return Content(kind, (voice.text,), voice=voice)
        case Kind.PICTURE:
            return Content(kind, pictures=_picture(fields))
        case Kind.FILE | Kind.VIDEO:
            return Content(kind, files=_file(fields, kind))
        case Kind.FORWARDED:
            lines = (_forwarded_line(each) for each in objects(fields.get("summary")))
            return Content(kind, ("\n".join(lines),))
        case Kind.CARD:
            return Content(kind, ("".join(_values_in(fields.get("cardContent"))),))
    if not fields:
        return Content(kind, (value,) if isinstance(value, str) else ())
    return Content(kind, (first_string(fields, "content", "text"),))


def _read_runs(items: Sequence[dict[str, Any]]) -> Content:
    runs: list[str] = []
    pictures: list[Picture] = []
    files: list[File] = []
    voice = None
    for item in items:
        named = item.get("type", item.get("msgType"))
        unnamed = Kind.PICTURE if "downloadCode" in item else Kind.TEXT
        kind = unnamed if named is None else kind_of(named)
        if named == "at":
            runs.append(f"@{string(item, 'atName').lstrip('@')}")
        elif kind is Kind.TEXT:
            runs.append(_unescaped(first_string(item, "text", "content")))
        elif kind is Kind.PICTURE:
            pictures += _picture(item)
        elif kind in (Kind.FILE, Kind.VIDEO):
            files += _file(item, kind)
        elif kind is Kind.VOICE:
            voice = Voice(string(item, "downloadCode"), string(item, "recognition"))
            runs.append(voice.text)
    return Content(Kind.RICH_TEXT, tuple(filter(None, runs)), tuple(pictures), tuple(files), voice)


def _unescaped(run: str) -> str:
    """Some clients send a line break as a run of two characters."""
    return "\n" if run in ("\\n", "/n") else run


def _picture(fields: dict[str, Any]) -> tuple[Picture, ...]:
    code = first_string(fields, "downloadCode", "pictureDownloadCode")
    return (Picture(code),) if code else ()


def _file(fields: dict[str, Any], kind: Kind) -> tuple[File, ...]:
    file = File(string(fields, "downloadCode"), string(fields, "fileName"), kind)
    return (file,) if file.code or file.name else ()


def _forwarded_line(fields: dict[str, Any]) -> str:
    """A line of a forwarded conversation."""
    nick = first_string(fields, "senderNick", "sender")
    words = string(fields, "content") or first_string(
        mapping(fields.get("content")), "text", "content"
    )
    return f"{nick}：{words}" if nick else words


def _values_in(tree: Any) -> Iterator[str]:
    """The words in a card's tree of runs, without recursion: the tree comes from outside."""
    waiting = objects(tree)[::-1]
    for _ in range(_MAX_NODES):
        if not waiting:
            return
        node = waiting.pop()
        value = node.get("value")
        if isinstance(value, str) and node.get("elementType") in ("TEXT", "LINK"):
            yield value
        waiting += objects(node.get("children"))[::-1]
