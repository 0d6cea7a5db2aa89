"""Pictures and files: what people sent is downloaded, what a skill made is uploaded.

Sources: DingTalk's pages on robot/messageFiles/download and media/upload.
"""

from typing import Protocol

from dingda.shared.dingtalk.content import File, Picture, Voice
from dingda.shared.dingtalk.media import MediaId, is_media_id
from dingda.shared.errors import InvalidReplyError
from dingda.shared.texts import FILE_GONE, FILE_NOT_SENT
from dingda.worker.errors import BackendProtocolError, RefusalError
from dingda.worker.services.access_token import OPENAPI, OpenAPIRefusedError
from dingda.worker.services.downloads import Downloads
from dingda.worker.services.media_file import MediaFile
from dingda.worker.services.openapi import OpenAPI, openapi_attempts

_MESSAGE_FILES = "/v1.0/robot/messageFiles/download"
_MIB = 1024 * 1024
UPLOADS = {
    "image": (20 * _MIB, ("jpg", "png", "gif", "bmp")),
    "voice": (2 * _MIB, ("amr", "mp3", "wav")),
    "video": (20 * _MIB, ("mp4",)),
    "file": (20 * _MIB, ("doc", "docx", "xls", "xlsx", "ppt", "pptx", "zip", "pdf", "rar")),
}
"""DingTalk: what may be uploaded as each type, and how many bytes of it."""


class Media(Protocol):
    """The pictures and files of a robot; see `BaseContext.download` and `BaseContext.upload`.

    >>> media: Media = MemoryMedia({"code": b"..."})
    >>> asyncio.run(media.download(Picture("code"))).content
    b'...'
    """

    async def download(self, sent: Picture | File | Voice) -> MediaFile:
        """Return what somebody sent."""

    async def upload(self, content: bytes, name: str) -> MediaId:
        """Upload a picture or a file, and return DingTalk's id of it."""


class DingTalkMedia:
    """The `Media` of one robot, by DingTalk's OpenAPI.

    Args:
        openapi: of the application that the robot belongs to.
        downloads: downloads from DingTalk's storage.
        robot_code: the robot's.
    """

    def __init__(self, openapi: OpenAPI, downloads: Downloads, *, robot_code: str) -> None:
        self._openapi = openapi
        self._downloads = downloads
        self._robot_code = robot_code

    async def download(self, sent: Picture | File | Voice) -> MediaFile:
        """Return what somebody sent; see `BaseContext.download`."""
        if not sent.code:
            raise RefusalError(FILE_NOT_SENT)
        async with self._downloads.room() as room:
            file = MediaFile.of(sent, await self._downloads.fetch(await self._url(sent.code)))
            room.keep_for(file)
            return file

    async def upload(self, content: bytes, name: str) -> MediaId:
        """Upload a picture or a file; see `BaseContext.upload`."""
        params = {"type": upload_type(content, name)}
        async for attempt in openapi_attempts():
            with attempt:
                fields = await self._openapi.call_oapi(
                    "/media/upload", params=params, files={"media": (name, content)}
                )
        media_id = fields.get("media_id")
        if not (isinstance(media_id, str) and is_media_id(media_id)):
            raise BackendProtocolError(OPENAPI.name, "media/upload answers without a media_id")
        return MediaId(media_id)

    async def _url(self, code: str) -> str:
        """Where the storage has it, for a while that DingTalk doesn't tell."""
        body = {"downloadCode": code, "robotCode": self._robot_code}
        try:
            async for attempt in openapi_attempts():
                with attempt:
                    fields = await self._openapi.call("POST", _MESSAGE_FILES, body)
        except OpenAPIRefusedError as error:
            # invalidParameter.robotCode.downloadCode: the code is wrong, or no longer valid.
            if "downloadCode" in error.code:
                raise RefusalError(FILE_GONE) from None
            raise
        url = fields.get("downloadUrl")
        if not isinstance(url, str):
            raise BackendProtocolError(OPENAPI.name, "messageFiles answers without a downloadUrl")
        return url


def upload_type(content: bytes, name: str) -> str:
    """The type that DingTalk takes a file as, by the end of its name.

    Raises:
        InvalidReplyError: if it takes none of that name, or the file is empty or too large.
    """
    _, dot, ending = name.lower().rpartition(".")
    for kind, (max_bytes, endings) in UPLOADS.items():
        if dot and ending in endings:
            if not 0 < len(content) <= max_bytes:
                why = f"{len(content)} bytes; DingTalk takes 1 to {max_bytes} of a .{ending}"
                raise InvalidReplyError("media.content", why)
            return kind
    known = ", ".join(ending for _, endings in UPLOADS.values() for ending in endings)
    raise InvalidReplyError("media.name", f"must end with one of: {known}")
