"""A picture or a file that was downloaded."""

from dataclasses import dataclass, field

from dingda.shared.dingtalk.content import File, Picture, Voice

_UNNAMED: dict[type, str] = {Picture: "picture", File: "video", Voice: "voice"}
_MAX_NAME_BYTES = 200
"""File systems take 255, and a skill may want to add something."""
_UNKNOWN = ("application/octet-stream", "bin")
_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": ("image/png", "png"),
    b"\xff\xd8\xff": ("image/jpeg", "jpg"),
    b"GIF8": ("image/gif", "gif"),
    b"BM": ("image/bmp", "bmp"),
    b"%PDF-": ("application/pdf", "pdf"),
    b"PK\x03\x04": ("application/zip", "zip"),
    b"#!AMR": ("audio/amr", "amr"),
    b"OggS": ("audio/ogg", "ogg"),
    b"ID3": ("audio/mpeg", "mp3"),
}


@dataclass(frozen=True, slots=True, weakref_slot=True)
class MediaFile:
    """What `ctx.download` returns: the bytes of a picture or a file, its type and a name.

    >>> @skill.command("识图")
    ... async def look(picture: Picture, ctx: Context) -> str:
    ...     file = await ctx.download(picture)
    ...     return f"{file.name}，{file.content_type}，{len(file.content)} 字节"
    >>> media = MemoryMedia({"code": b"GIF89a..."})
    >>> asyncio.run(ask(skill, "识图", pictures=(Picture("code"),), media=media)).content
    'picture.gif，image/gif，9 字节'
    """

    content: bytes = field(repr=False)
    content_type: str
    """By its first bytes, whatever its name and the storage say; a .docx is an `application/zip`,
    and what isn't recognized is `application/octet-stream`."""
    name: str = field(repr=False)
    """Fit for a file system, without a folder: what the sender called it, or one of ours."""

    @classmethod
    def of(cls, sent: Picture | File | Voice, content: bytes) -> "MediaFile":
        """Name a content, and tell its type."""
        content_type, ending = _type_of(content)
        given = sent.name if isinstance(sent, File) else ""
        return cls(content, content_type, _safe(given) or f"{_UNNAMED[type(sent)]}.{ending}")


def _type_of(content: bytes) -> tuple[str, str]:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp", "webp"
    if content[4:8] == b"ftyp":
        return "video/mp4", "mp4"
    found = (kind for beginning, kind in _BEGINNINGS.items() if content.startswith(beginning))
    return next(found, _UNKNOWN)


def _safe(name: str) -> str:
    """A name that people chose, as a file system takes it; its end stays, with the type."""
    kept = "".join("_" if not each.isprintable() or each in '/\\:*?"<>|' else each for each in name)
    return kept.encode()[-_MAX_NAME_BYTES:].decode(errors="ignore").strip(" .")
