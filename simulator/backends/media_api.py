"""The APIs of files, and the host that files are fetched from.

DingTalk's URLs are Aliyun's: signed, without a Content-Type among what is signed. So a request that
has one is refused, as one is that brings DingTalk's token along.
"""

from email.parser import BytesParser
from email.policy import HTTP

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dingda.simulator.backends.dingtalk_errors import (
    FOREIGN_ROBOT,
    NO_BODY,
    WRONG_DOWNLOAD_CODE,
)
from dingda.simulator.backends.dingtalk_openapi import FakeOpenAPI
from dingda.simulator.backends.openapi_access import BASE, SEND, Answer, fields_of
from dingda.simulator.dingtalk.media import MediaRefusal, MediaStore

OSS_PATH = "/oss"
"""Where the host of files is."""
_NOT_SIGNED = ("content-type", "x-acs-dingtalk-access-token", "authorization")


class MediaAPI:
    """The APIs of one application's files.

    Args:
        openapi: checks the calls.
        media: keeps the files.
        public_url: where the bot reaches the simulator, without a last slash.
    """

    def __init__(self, openapi: FakeOpenAPI, media: MediaStore, public_url: str) -> None:
        self._openapi = openapi
        self._media = media
        self._public_url = public_url

    def routes(self) -> list[Route]:
        """Their routes."""
        openapi = self._openapi
        return [
            openapi.newer("POST", "/v1.0/robot/messageFiles/download", SEND, self._download),
            openapi.older("POST", "/media/upload", BASE, self._upload),
        ]

    def host_routes(self) -> list[BaseRoute]:
        """The routes of the host of files, which is at `OSS_PATH`."""
        return [Route("/{key}", self._fetch, methods=["GET"])]

    async def _download(self, request: Request) -> Answer:
        fields = await fields_of(request)
        if fields is None:
            return NO_BODY
        if fields.get("robotCode") not in self._openapi.robot_codes:
            return FOREIGN_ROBOT
        key = self._media.offer(str(fields.get("downloadCode") or ""))
        if key is None:
            return WRONG_DOWNLOAD_CODE
        url = f"{self._public_url}{OSS_PATH}/{key}?Expires=1700000000&OSSAccessKeyId=simulated"
        return 200, {"downloadUrl": url}

    async def _upload(self, request: Request) -> Answer:
        kind = request.query_params.get("type", "")
        name, content = _file_of(
            request.headers.get("content-type", ""), await request.body(), "media"
        )
        media_id = self._media.upload(kind, name, content)
        if isinstance(media_id, MediaRefusal):
            return 200, {"errcode": media_id.errcode, "errmsg": media_id.errmsg}
        return 200, {
            "errcode": 0,
            "errmsg": "ok",
            "media_id": media_id,
            "type": kind,
            "created_at": 1_700_000_000_000,
        }

    async def _fetch(self, request: Request) -> Response:
        if any(name in request.headers for name in _NOT_SIGNED):
            return _refused("SignatureDoesNotMatch")
        file = self._media.fetch(request.path_params["key"])
        if file is None:
            return _refused("AccessDenied")
        return Response(file.content, media_type=file.content_type)


def _refused(code: str) -> Response:
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>"
    return Response(body, 403, media_type="application/xml")


def _file_of(content_type: str, body: bytes, field: str) -> tuple[str, bytes]:
    """The name and the bytes of a file in a form; ("", b"") where there is none."""
    # `Content-Type` is latin-1 by HTTP's rules.
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    form = BytesParser(policy=HTTP).parsebytes(head + body)
    for part in form.iter_parts() if form.is_multipart() else ():
        if part.get_param("name", header="content-disposition") == field:
            content = part.get_payload(decode=True)
            return part.get_filename() or "", content if isinstance(content, bytes) else b""
    return "", b""
