"""Files: those that users send and the bot fetches, and those that the bot uploads.

Facts: DingTalk's pages on messageFiles/download and media/upload, and what their callers report.
"""

import mimetypes
import secrets
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, get_args

from dingda.simulator.dingtalk.record_store import RecordStore

MediaKind = Literal["image", "voice", "video", "file"]
_MB = 1024 * 1024
LIMITS: Mapping[MediaKind, tuple[int, frozenset[str]]] = {
    "image": (20 * _MB, frozenset({"jpg", "jpeg", "gif", "png", "bmp"})),
    "voice": (2 * _MB, frozenset({"amr", "mp3", "wav"})),
    "video": (20 * _MB, frozenset({"mp4"})),
    "file": (
        20 * _MB,
        frozenset({"doc", "docx", "xls", "xlsx", "ppt", "pptx", "zip", "pdf", "rar"}),
    ),
}
"""Kind → the most bytes, and the endings of its names."""
URL_LIFE_MS = 600_000
"""How long a URL is good for. DingTalk does not say."""
_REMEMBERED_BYTES = 100 * _MB
_OFFERED = 1000
_RANDOM_BYTES = 12
_PIXEL = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file."""

    name: str
    content: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        """As its name says."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


SAMPLE = StoredFile("picture.png", _PIXEL)
"""What a message holds whose file nobody gave."""


@dataclass(frozen=True, slots=True)
class MediaRefusal:
    """An errcode of media/upload."""

    errcode: int
    errmsg: str


def download_code(file_id: str = "") -> str:
    """A new downloadCode for a file; "" for one that nobody gave."""
    return b64encode(secrets.token_bytes(_RANDOM_BYTES) + file_id.encode()).decode()


class MediaStore:
    """The newest files.

    Args:
        records: tell which downloadCodes have been sent.
        now_ms: the clock, in ms since 1970.
    """

    def __init__(self, records: RecordStore, *, now_ms: Callable[[], int]) -> None:
        self._records = records
        self._now_ms = now_ms
        self._given: dict[str, StoredFile] = {}
        self._uploaded: dict[str, StoredFile] = {}
        self._offered: dict[str, tuple[StoredFile, int]] = {}

    def give(self, name: str, content: bytes) -> str:
        """Keep a file for a user's message to hold; returns its id."""
        return _keep(self._given, secrets.token_hex(6), StoredFile(name, content))

    def given(self, file_id: str) -> StoredFile | None:
        """A file that a user's message may hold; None if it is unknown or forgotten."""
        return self._given.get(file_id)

    def offer(self, code: str) -> str | None:
        """Make what a URL names a file by, from its downloadCode; None if that was never sent."""
        callbacks = (str(record.callback) for record in self._records.since(0))
        if not code or not any(f"'{code}'" in callback for callback in callbacks):
            return None
        file = self._given.get(_file_id(code), SAMPLE)
        key = secrets.token_hex(16)
        self._offered[key] = (file, self._now_ms() + URL_LIFE_MS)
        if len(self._offered) > _OFFERED:
            del self._offered[next(iter(self._offered))]
        return key

    def fetch(self, key: str) -> StoredFile | None:
        """The file of a URL; None if that is unknown or too old."""
        file, until_ms = self._offered.get(key, (None, 0))
        return file if self._now_ms() < until_ms else None

    def upload(self, kind: str, name: str, content: bytes) -> str | MediaRefusal:
        """Keep a file of the bot's; returns its mediaId.

        Here the same file has the same mediaId each time, so that a copied test, or a transcript,
        with a picture in it can be compared. DingTalk promises no such thing.
        """
        known = next((each for each in get_args(MediaKind) if each == kind), None)
        if known is None:
            return MediaRefusal(40004, "不合法的媒体文件类型")
        if not content:
            return MediaRefusal(44001, "多媒体文件为空")
        most_bytes, endings = LIMITS[known]
        if len(content) > most_bytes:
            return MediaRefusal(45001, "多媒体文件大小超过限制")
        if name.rpartition(".")[2].lower() not in endings:
            return MediaRefusal(40004, "不合法的媒体文件类型")
        return _keep(self._uploaded, _media_id(name, content), StoredFile(name, content))

    def uploaded(self, media_id: str) -> StoredFile | None:
        """A file of the bot's; None if it is unknown or forgotten."""
        return self._uploaded.get(media_id)


def _media_id(name: str, content: bytes) -> str:
    digest = sha256(name.encode("utf-8", "replace") + b"\0" + content).digest()
    return f"@lAL{urlsafe_b64encode(digest[:24]).decode()}"


def _keep(files: dict[str, StoredFile], key: str, file: StoredFile) -> str:
    """Keep a file, and forget the oldest while there are too many bytes."""
    files.pop(key, None)
    files[key] = file
    total_bytes = sum(len(each.content) for each in files.values())
    while total_bytes > _REMEMBERED_BYTES:
        total_bytes -= len(files.pop(next(iter(files))).content)
    return key


def _file_id(code: str) -> str:
    try:
        return b64decode(code, validate=True)[_RANDOM_BYTES:].decode()
    except ValueError:
        return ""
