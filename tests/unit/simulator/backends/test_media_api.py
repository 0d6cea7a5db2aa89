"""Files go through the simulator as through DingTalk: by codes, signed URLs and mediaIds."""

import json
from typing import Any

import httpx
import pytest

from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.dingtalk.media import SAMPLE, URL_LIFE_MS
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage
from tests.support.open_platform_caller import DOWNLOAD, PlatformCaller
from tests.support.simulator_harness import Clock

# What a reader of forms by lines would spoil.
AWKWARD = b"\x89PNG\r\n\x1a\n\r\n--boundary\r" + bytes(range(256))


def code_of(dingtalk: Simulation, file: str = "") -> str:
    callback = json.loads(dingtalk.send(UserMessage("", kind="picture", file=file)).body)
    code: str = callback["content"]["downloadCode"]
    return code


async def url_of(caller: PlatformCaller, code: str) -> str:
    answer = await caller.post(DOWNLOAD, {"downloadCode": code, "robotCode": APP_KEY})
    url: str = answer["downloadUrl"]
    return url


async def upload(
    caller: PlatformCaller, http: httpx.AsyncClient, name: str, content: bytes, kind: str = "image"
) -> Any:
    params = {"access_token": await caller.token(), "type": kind}
    files = {"media": (name, content, "image/png")}
    return (await http.post("/openapi/media/upload", params=params, files=files)).json()


async def test_the_file_that_a_message_holds_is_fetched_by_its_code(
    caller: PlatformCaller, http: httpx.AsyncClient, dingtalk: Simulation
) -> None:
    given = await http.post(
        "/api/files",
        params={"name": "plan.png"},
        content=AWKWARD,
        headers={"content-type": "application/octet-stream"},
    )
    url = await url_of(caller, code_of(dingtalk, given.json()["id"]))
    fetched = await http.get(url)
    assert (fetched.content, fetched.headers["content-type"]) == (AWKWARD, "image/png")


async def test_a_message_holds_a_sample_where_nobody_gave_a_file(
    caller: PlatformCaller, http: httpx.AsyncClient, dingtalk: Simulation
) -> None:
    fetched = await http.get(await url_of(caller, code_of(dingtalk)))
    assert fetched.content == SAMPLE.content


@pytest.mark.parametrize("header", ["content-type", "x-acs-dingtalk-access-token"])
async def test_a_header_that_is_not_signed_breaks_the_url(
    caller: PlatformCaller, http: httpx.AsyncClient, dingtalk: Simulation, header: str
) -> None:
    fetched = await http.get(await url_of(caller, code_of(dingtalk)), headers={header: "x"})
    assert fetched.status_code == 403
    assert "SignatureDoesNotMatch" in fetched.text


async def test_a_url_is_good_for_a_while_only(
    caller: PlatformCaller, http: httpx.AsyncClient, dingtalk: Simulation, clock: Clock
) -> None:
    url = await url_of(caller, code_of(dingtalk))
    clock.now_ms += URL_LIFE_MS
    assert (await http.get(url)).status_code == 403


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"downloadCode": "never sent"}, "invalidParameter.robotCode.downloadCode"),
        ({"downloadCode": ""}, "invalidParameter.robotCode.downloadCode"),
        ({"robotCode": "another"}, "invalidParameter.robotCode.auth"),
    ],
)
async def test_what_is_wrong_with_a_download_is_named(
    caller: PlatformCaller, dingtalk: Simulation, fields: dict[str, str], code: str
) -> None:
    asked = {"downloadCode": code_of(dingtalk), "robotCode": APP_KEY, **fields}
    answer = await caller.call("POST", DOWNLOAD, asked)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_what_is_uploaded_is_kept_byte_for_byte(
    caller: PlatformCaller, http: httpx.AsyncClient
) -> None:
    answer = await upload(caller, http, "plot.png", AWKWARD)
    assert answer["media_id"].startswith("@lAL")
    shown = await http.get(f"/api/media/{answer['media_id']}")
    assert (shown.content, shown.headers["content-type"]) == (AWKWARD, "image/png")


async def test_the_same_file_has_the_same_media_id_so_that_a_copied_test_can_be_compared(
    caller: PlatformCaller, http: httpx.AsyncClient
) -> None:
    first, again, other = [
        (await upload(caller, http, "plot.png", content))["media_id"]
        for content in (b"one", b"one", b"two")
    ]
    assert first == again != other


@pytest.mark.parametrize(
    ("name", "content", "kind", "errcode"),
    [
        ("plot.png", b"", "image", 44001),
        ("plot.exe", b"x", "image", 40004),
        ("plot.png", b"x", "picture", 40004),
        ("a.amr", b"x" * (2 * 1024 * 1024 + 1), "voice", 45001),
    ],
)
async def test_what_is_wrong_with_an_upload_is_an_errcode(
    caller: PlatformCaller,
    http: httpx.AsyncClient,
    name: str,
    content: bytes,
    kind: str,
    errcode: int,
) -> None:
    assert (await upload(caller, http, name, content, kind))["errcode"] == errcode


async def test_a_body_that_is_no_form_holds_no_file(
    caller: PlatformCaller, http: httpx.AsyncClient
) -> None:
    params = {"access_token": await caller.token(), "type": "image"}
    answer = await http.post("/openapi/media/upload", params=params, content=b"bytes")
    assert answer.json()["errcode"] == 44001


async def test_what_is_no_picture_is_shown_as_bytes_that_never_run(
    caller: PlatformCaller, http: httpx.AsyncClient
) -> None:
    answer = await upload(caller, http, "a.pdf", b"%PDF", "file")
    shown = await http.get(f"/api/media/{answer['media_id']}")
    assert shown.headers["content-type"] == "application/octet-stream"
    assert "sandbox" in shown.headers["content-security-policy"]


async def test_a_web_page_elsewhere_cannot_give_a_file(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/files?name=a.png", content=b"x")
    assert answer.status_code == 415
