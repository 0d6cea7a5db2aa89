"""Pictures and files by DingTalk's OpenAPI: one code, one URL, one download; one upload, one id."""

import email.parser
import email.policy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from dingda.shared.dingtalk.content import Kind
from dingda.shared.dingtalk.media_hosts import MediaHosts
from dingda.shared.errors import InvalidReplyError
from dingda.shared.texts import FILE_GONE, FILE_NOT_SENT, FILE_TOO_LARGE
from dingda.skill import (
    BackendConfigError,
    BackendProtocolError,
    BackendUnavailableError,
    File,
    Picture,
    RefusalError,
    Voice,
)
from dingda.worker.services.access_token import TOKEN_HEADER
from dingda.worker.services.downloads import Downloads
from dingda.worker.services.http_client import Http
from dingda.worker.services.media import DingTalkMedia
from tests.support.openapi_clients import openapi_of
from tests.support.virtual_time import virtual_time

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
STORAGE = "https://a.oss-cn-beijing.aliyuncs.com/im/1?Expires=1&Signature=a%2Bb%3D"


class DingTalk:
    """A fake of the two calls and of the storage."""

    def __init__(self) -> None:
        self.url: Any = STORAGE
        self.stored: list[httpx.Response] = [httpx.Response(200, content=PNG)]
        self.upload: dict[str, Any] = {"errcode": 0, "errmsg": "ok", "media_id": "@lALabc"}
        self.refusals: list[httpx.Response] = []
        """Of the calls that come first."""
        self.tokens = ["token"]
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/accessToken"):
            fields = {"accessToken": self.tokens[0], "expireIn": 7200}
            return httpx.Response(200, json=fields)
        self.requests.append(request)
        if self.refusals and request.url.host != "a.oss-cn-beijing.aliyuncs.com":
            return self.refusals.pop(0)
        if path == "/v1.0/robot/messageFiles/download":
            return httpx.Response(200, json={"downloadUrl": self.url})
        if path == "/media/upload":
            if request.url.params["access_token"] != self.tokens[-1]:
                self.tokens.pop(0)
                return httpx.Response(200, json={"errcode": 40014, "errmsg": "不合法"})
            return httpx.Response(200, json=self.upload)
        return self.stored.pop(0) if len(self.stored) > 1 else self.stored[0]


@asynccontextmanager
async def media_of(dingtalk: DingTalk) -> AsyncIterator[DingTalkMedia]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(dingtalk)) as client:
        downloads = Downloads(Http(client), MediaHosts())
        yield DingTalkMedia(openapi_of(client), downloads, robot_code="robot")


async def downloaded(dingtalk: DingTalk, sent: Picture | File | Voice) -> Any:
    async with media_of(dingtalk) as media:
        return await media.download(sent)


async def uploaded(dingtalk: DingTalk, content: bytes, name: str) -> str:
    async with media_of(dingtalk) as media:
        return await media.upload(content, name)


async def test_a_picture_is_downloaded_by_its_code() -> None:
    dingtalk = DingTalk()
    file = await downloaded(dingtalk, Picture("the code"))
    assert (file.content, file.content_type, file.name) == (PNG, "image/png", "picture.png")
    asked, got = dingtalk.requests
    assert json.loads(asked.content) == {"downloadCode": "the code", "robotCode": "robot"}
    assert str(got.url) == STORAGE


async def test_the_storage_sees_neither_the_token_nor_a_content_type() -> None:
    dingtalk = DingTalk()
    await downloaded(dingtalk, Picture("code"))
    names = {name.lower() for name in dingtalk.requests[-1].headers}
    assert not names & {TOKEN_HEADER, "content-type", "referer", "cookie", "authorization"}


@pytest.mark.parametrize(
    ("sent", "content", "name", "content_type"),
    [
        (Picture("c"), b"\xff\xd8\xff\xe0", "picture.jpg", "image/jpeg"),
        (Picture("c"), b"RIFF\0\0\0\0WEBPVP8 ", "picture.webp", "image/webp"),
        (Picture("c"), b"<html>", "picture.bin", "application/octet-stream"),
        (Voice("c", ""), b"#!AMR\n", "voice.amr", "audio/amr"),
        (File("c", "", Kind.VIDEO), b"\0\0\0\x18ftypmp42", "video.mp4", "video/mp4"),
        (File("c", "周报.docx"), b"PK\x03\x04", "周报.docx", "application/zip"),
        (File("c", "a.pdf"), b"", "a.pdf", "application/octet-stream"),
    ],
)
async def test_a_file_has_a_name_and_a_type(
    sent: Picture | File | Voice, content: bytes, name: str, content_type: str
) -> None:
    dingtalk = DingTalk()
    dingtalk.stored = [httpx.Response(200, content=content)]
    file = await downloaded(dingtalk, sent)
    assert (file.name, file.content_type) == (name, content_type)


@pytest.mark.parametrize(
    ("sent_as", "name"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..\\..\\boot.ini", "_.._boot.ini"),
        ("a\x00b\n.pdf", "a_b_.pdf"),
        ("\u202efdp.exe", "_fdp.exe"),
        ("C:\\a?.txt", "C__a_.txt"),
        ("\ud800.pdf", "_.pdf"),
        ("...", "video.bin"),
        (f"{'长' * 300}.pdf", f"{'长' * 65}.pdf"),
    ],
)
async def test_a_name_is_fit_for_a_file_system(sent_as: str, name: str) -> None:
    dingtalk = DingTalk()
    dingtalk.stored = [httpx.Response(200, content=b"?")]
    assert (await downloaded(dingtalk, File("c", sent_as))).name == name


async def test_a_code_that_is_no_longer_valid_is_a_plain_sentence() -> None:
    dingtalk = DingTalk()
    fields = {"code": "invalidParameter.robotCode.downloadCode", "message": "…"}
    dingtalk.refusals = [httpx.Response(400, json=fields)]
    with pytest.raises(RefusalError, match=FILE_GONE):
        await downloaded(dingtalk, Picture("code"))


async def test_another_refusal_is_for_the_administrator() -> None:
    dingtalk = DingTalk()
    fields = {"code": "Forbidden.AccessDenied.AccessTokenPermissionDenied"}
    dingtalk.refusals = [httpx.Response(403, json=fields)]
    with pytest.raises(BackendConfigError):
        await downloaded(dingtalk, Picture("code"))


async def test_a_file_that_was_never_sent_to_the_robot_is_not_asked_for() -> None:
    dingtalk = DingTalk()
    with pytest.raises(RefusalError, match=FILE_NOT_SENT):
        await downloaded(dingtalk, File("", "周报.docx"))
    assert dingtalk.requests == []


async def test_a_file_that_is_too_large_is_a_plain_sentence() -> None:
    dingtalk = DingTalk()
    dingtalk.stored = [httpx.Response(200, content=bytes(20 * 1024 * 1024 + 1))]
    with pytest.raises(RefusalError, match=FILE_TOO_LARGE.format(megabytes=20)):
        await downloaded(dingtalk, Picture("code"))


async def test_a_storage_that_fails_once_is_asked_again() -> None:
    dingtalk = DingTalk()
    dingtalk.stored = [httpx.Response(503), httpx.Response(200, content=PNG)]
    assert (await downloaded(dingtalk, Picture("code"))).content == PNG


@pytest.mark.parametrize("status", [302, 403, 404])
async def test_what_the_storage_does_not_hand_out_may_be_there_later(status: int) -> None:
    dingtalk = DingTalk()
    headers = {"location": "http://169.254.169.254/latest"}
    dingtalk.stored = [httpx.Response(status, headers=headers, content=b"<Error/>")]
    with pytest.raises(BackendUnavailableError):
        await downloaded(dingtalk, Picture("code"))
    hosts = {request.url.host for request in dingtalk.requests}
    assert hosts == {"api.dingtalk.com", "a.oss-cn-beijing.aliyuncs.com"}


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "https://evil.example/a", "file:///etc/passwd", ""]
)
async def test_a_url_of_an_unknown_host_is_not_asked_for(url: str) -> None:
    dingtalk = DingTalk()
    dingtalk.url = url
    with pytest.raises(BackendConfigError) as failed:
        await downloaded(dingtalk, Picture("code"))
    assert [request.url.host for request in dingtalk.requests] == ["api.dingtalk.com"]
    assert not url or url not in failed.value.reason


async def test_a_response_without_a_url_is_dingtalks_failure() -> None:
    dingtalk = DingTalk()
    dingtalk.url = None
    with pytest.raises(BackendProtocolError):
        await downloaded(dingtalk, Picture("code"))


async def test_a_picture_is_uploaded_as_a_form() -> None:
    dingtalk = DingTalk()
    assert await uploaded(dingtalk, PNG, "图 1.png") == "@lALabc"
    (request,) = dingtalk.requests
    assert dict(request.url.params) == {"type": "image", "access_token": "token"}
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.content)
    (part,) = form.iter_parts()
    assert part.get_payload(decode=True) == PNG
    assert 'name="media"; filename="图 1.png"'.encode() in request.content


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.PNG", "image"), ("a.mp3", "voice"), ("a.mp4", "video"), ("a.xlsx", "file")],
)
async def test_the_end_of_a_name_tells_the_type(name: str, kind: str) -> None:
    dingtalk = DingTalk()
    await uploaded(dingtalk, b"...", name)
    assert dingtalk.requests[0].url.params["type"] == kind


@pytest.mark.parametrize(
    ("size", "name"),
    [
        (3, "a.exe"),
        (3, "png"),
        (3, ""),
        (0, "a.png"),
        (20 * 1024 * 1024 + 1, "a.png"),
        (2 * 1024 * 1024 + 1, "a.mp3"),
    ],
)
async def test_what_dingtalk_would_refuse_is_not_uploaded(size: int, name: str) -> None:
    dingtalk = DingTalk()
    with pytest.raises(InvalidReplyError, match=r"^media\."):
        await uploaded(dingtalk, bytes(size), name)
    assert dingtalk.requests == []


@virtual_time
async def test_a_call_over_the_seconds_limit_is_made_again() -> None:
    dingtalk = DingTalk()
    too_many = httpx.Response(403, json={"code": "Forbidden.AccessDenied.QpsLimitForApi"})
    dingtalk.refusals = [too_many, too_many]
    assert (await downloaded(dingtalk, Picture("code"))).content == PNG
    dingtalk.refusals = [httpx.Response(200, json={"errcode": 90018, "errmsg": "请稍后"})]
    assert await uploaded(dingtalk, PNG, "a.png") == "@lALabc"


async def test_an_upload_with_an_expired_token_is_made_again_with_a_new_one() -> None:
    dingtalk = DingTalk()
    dingtalk.tokens = ["old", "new"]
    assert await uploaded(dingtalk, PNG, "a.png") == "@lALabc"
    assert len(dingtalk.requests) == 2


@pytest.mark.parametrize("media_id", [None, "", 7, "@a)(b", "lAL"])
async def test_an_upload_without_a_media_id_is_dingtalks_failure(media_id: object) -> None:
    dingtalk = DingTalk()
    dingtalk.upload = {"errcode": 0, "media_id": media_id}
    with pytest.raises(BackendProtocolError):
        await uploaded(dingtalk, PNG, "a.png")


async def test_a_name_cannot_break_out_of_the_form() -> None:
    dingtalk = DingTalk()
    await uploaded(dingtalk, PNG, 'a"\r\nX-Own: 1\r\n.png')
    assert b"\r\nX-Own" not in dingtalk.requests[0].content
