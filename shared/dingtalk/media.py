"""Pictures and files that a robot sends, once they are uploaded.

Sources: DingTalk's pages on media/upload and on the robot's message templates (sampleImageMsg,
sampleFile). An id of an upload can be used again, and is shown inside DingTalk alone.
"""

import re
from dataclasses import dataclass, field
from typing import Any, NewType

from dingda.shared.dingtalk.markdown import plain
from dingda.shared.dingtalk.origin import origin_of
from dingda.shared.errors import InvalidOriginError, InvalidReplyError

MediaId = NewType("MediaId", str)
"""DingTalk's name of an uploaded picture or file, `@lAL…`: what `ctx.upload` returns.

>>> MediaId("@lALOpVk7")
'@lALOpVk7'
"""
PICTURE_TITLE = "图片"
"""What the list of conversations shows of a picture, as DingTalk's clients do."""
FILE_TYPES = ("xlsx", "pdf", "zip", "rar", "doc", "docx")
"""What a file message may be; its name ends with one of them."""
_MEDIA_ID = re.compile(r"[@$][A-Za-z0-9_=+/.$-]{1,500}")
_MAX_URL_CHARS, _MAX_NAME_CHARS = 2048, 128
_UNFIT_FOR_MARKDOWN = frozenset("()<>")


def is_media_id(text: str) -> bool:
    """Whether a text has the form of an upload's id."""
    return bool(_MEDIA_ID.fullmatch(text))


def picture_markdown(picture: MediaId | str, words: str = "") -> str:
    """A picture for the inside of a `Markdown`.

    >>> picture_markdown(MediaId("@lALOpVk7"), "九月的访问量")
    '![九月的访问量](@lALOpVk7)'

    Args:
        picture: an upload, or a URL that everybody's client can open.
        words: what it shows, for whoever can't see it.

    Raises:
        InvalidReplyError: if it is neither.
    """
    check_picture("markdown.picture", picture)
    return f"![{plain(words)}]({picture})"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture alone: an upload, or a URL that everybody's client can open.

    By the session it goes as a markdown that holds nothing else.

    >>> Image(MediaId("@lALOpVk7")).to_payload()["markdown"]
    {'title': '图片', 'text': '![](@lALOpVk7)'}
    """

    picture: MediaId | str

    def __post_init__(self) -> None:
        check_picture("image.picture", self.picture)

    @property
    def is_upload(self) -> bool:
        """Whether it was uploaded, and not only linked to."""
        return is_media_id(self.picture)

    def to_payload(self) -> dict[str, Any]:
        """The JSON object that DingTalk takes."""
        markdown = {"title": PICTURE_TITLE, "text": picture_markdown(self.picture)}
        return {"msgtype": "markdown", "markdown": markdown}


@dataclass(frozen=True, slots=True)
class FileMessage:
    """A file that was uploaded, for `ctx.push`.

    A session takes no files: as an answer it goes out only where that is private, in a group.

    >>> FileMessage(MediaId("@lALOpVk7"), "周报.xlsx").type
    'xlsx'
    """

    media_id: MediaId
    name: str = field(repr=False)
    """As people see it; it ends with one of `FILE_TYPES`."""

    def __post_init__(self) -> None:
        if not is_media_id(self.media_id):
            raise InvalidReplyError("file.media_id", "must be what ctx.upload returned")
        if not (self.name.isprintable() and len(self.name) <= _MAX_NAME_CHARS):
            raise InvalidReplyError("file.name", f"must be printable, of {_MAX_NAME_CHARS} at most")
        if self.type not in FILE_TYPES:
            raise InvalidReplyError("file.name", f"must end with one of {', '.join(FILE_TYPES)}")

    @property
    def type(self) -> str:
        """What the name ends with, in lower case."""
        return self.name.rpartition(".")[2].lower() if "." in self.name else ""

    def to_payload(self) -> dict[str, Any]:
        """The JSON object that shows what it is; no session takes it."""
        return {"msgtype": "file", "file": {"mediaId": self.media_id, "fileName": self.name}}


def check_picture(field_name: str, picture: str) -> None:
    """Check that something can be shown as a picture.

    Args:
        field_name: where it is, for the error.
        picture: an upload's id, or a URL.

    Raises:
        InvalidReplyError: if it is neither.
    """
    if is_media_id(picture):
        return
    try:
        origin_of(picture)
    except InvalidOriginError as error:
        why = f"must be what ctx.upload returned, or a URL: {error}"
        raise InvalidReplyError(field_name, why) from None
    if len(picture) > _MAX_URL_CHARS or _UNFIT_FOR_MARKDOWN & set(picture):
        raise InvalidReplyError(
            field_name, f"a URL has at most {_MAX_URL_CHARS} characters, none of them ()<>"
        )
