"""Pictures and files in memory, for the tests of skills."""

from collections.abc import Mapping

from dingda.shared.dingtalk.content import File, Picture, Voice
from dingda.shared.dingtalk.media import MediaId
from dingda.shared.texts import FILE_GONE, FILE_NOT_SENT
from dingda.worker.errors import RefusalError
from dingda.worker.services.media import upload_type
from dingda.worker.services.media_file import MediaFile


class MemoryMedia:
    """A `Media` of these files, which keeps what is uploaded.

    Args:
        sent: what people sent, by its downloadCode; DingTalk has no others.

    >>> @skill.command("走势")
    ... async def trend(ctx: Context) -> Image:
    ...     return Image(await ctx.upload(b"...", "trend.png"))
    >>> media = MemoryMedia()
    >>> image = asyncio.run(ask(skill, "走势", media=media))
    >>> media.uploaded[image.picture]
    ('trend.png', b'...')
    """

    def __init__(self, sent: Mapping[str, bytes] | None = None) -> None:
        self.uploaded: dict[str, tuple[str, bytes]] = {}
        """Names and contents, by the ids that the skill was given."""
        self._sent = sent or {}

    async def download(self, sent: Picture | File | Voice) -> MediaFile:
        """Return what somebody sent; see `BaseContext.download`."""
        if not sent.code:
            raise RefusalError(FILE_NOT_SENT)
        if sent.code not in self._sent:
            raise RefusalError(FILE_GONE)
        return MediaFile.of(sent, self._sent[sent.code])

    async def upload(self, content: bytes, name: str) -> MediaId:
        """Keep a picture or a file; see `BaseContext.upload`."""
        upload_type(content, name)
        media_id = MediaId(f"@lAL{len(self.uploaded) + 1}")
        self.uploaded[media_id] = (name, content)
        return media_id
