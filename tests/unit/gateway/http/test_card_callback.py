"""Presses of cards' buttons over HTTP: signed, stored, and answered so that no failure shows."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import fakeredis
import httpx
import pytest

from dingda.gateway.app import create_app
from dingda.shared.dingtalk.card import callback_secret
from dingda.shared.runtime.settings import Settings

NOW_MS = 1_764_000_000_000
SECRET = "app-secret"
BODY = {
    "type": "actionCallback",
    "outTrackId": "dd-1",
    "userId": "0002",
    "content": json.dumps(
        {"cardPrivateData": {"actionIds": ["dingda-1"], "params": {"signature": "x"}}}
    ),
}


def signed(secret: str = SECRET, at_ms: int = NOW_MS) -> dict[str, str]:
    """The headers of DingTalk's page on the callbacks of cards."""
    timestamp = str(at_ms)
    digest = hmac.digest(callback_secret(secret).encode(), timestamp.encode(), hashlib.sha256)
    return {
        "x-ddpaas-signature-timestamp": timestamp,
        "x-ddpaas-signature": base64.b64encode(digest).decode(),
    }


@pytest.fixture
async def redis() -> AsyncIterator[Any]:
    server = fakeredis.FakeServer()
    client = fakeredis.FakeAsyncRedis(server=server, decode_responses=True)
    client.server = server  # type: ignore[attr-defined] # to be taken away
    yield client
    await client.aclose()


@pytest.fixture
async def gateway(redis: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        Settings(app_secret=SECRET, _env_file=None),  # type: ignore[arg-type, call-arg] # as the environment has it
        redis=redis,
        now_ms=lambda: NOW_MS,
    )
    transport = httpx.ASGITransport(app)
    async with (
        app.site.router.lifespan_context(app.site),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
    ):
        yield client


async def stored(redis: Any) -> int:
    return int(await redis.hget("dingda:count", "accepted") or 0)


async def test_a_press_is_stored_and_whoever_pressed_sees_that_it_was_received(
    gateway: httpx.AsyncClient, redis: Any
) -> None:
    response = await gateway.post("/card", json=BODY, headers=signed())

    assert response.status_code == 200
    assert response.json()["userPrivateData"] == {"cardParamMap": {"pressed": "true"}}
    assert await stored(redis) == 1


async def test_the_same_press_delivered_again_is_stored_once(
    gateway: httpx.AsyncClient, redis: Any
) -> None:
    for _ in range(2):
        response = await gateway.post("/card", json=BODY, headers=signed())
        assert response.status_code == 200
    assert await stored(redis) == 1


@pytest.mark.parametrize(
    "headers",
    [{}, signed("another"), signed(at_ms=NOW_MS - 3_600_001)],
    ids=["unsigned", "another secret", "stale"],
)
async def test_what_is_not_signed_for_this_robot_is_not_stored(
    headers: dict[str, str], gateway: httpx.AsyncClient, redis: Any
) -> None:
    response = await gateway.post("/card", json=BODY, headers=headers)

    assert response.status_code == 401
    assert await stored(redis) == 0


async def test_the_app_secret_itself_signs_no_press(gateway: httpx.AsyncClient, redis: Any) -> None:
    timestamp = str(NOW_MS)
    digest = hmac.digest(SECRET.encode(), timestamp.encode(), hashlib.sha256)
    headers = {
        "x-ddpaas-signature-timestamp": timestamp,
        "x-ddpaas-signature": base64.b64encode(digest).decode(),
    }
    assert (await gateway.post("/card", json=BODY, headers=headers)).status_code == 401
    assert await stored(redis) == 0


@pytest.mark.parametrize("body", [b"", b"[]", b'{"outTrackId": 1}', b"\xff"])
async def test_what_is_no_press_is_refused(
    body: bytes, gateway: httpx.AsyncClient, redis: Any
) -> None:
    response = await gateway.post("/card", content=body, headers=signed())

    assert response.status_code == 400
    assert await stored(redis) == 0


@pytest.mark.parametrize("length", ["x", "-1", str(10**9), "9" * 5000])
async def test_a_body_of_an_impossible_length_is_refused(
    length: str, gateway: httpx.AsyncClient
) -> None:
    headers = {**signed(), "content-length": length}
    response = await gateway.post("/card", content=b"{}", headers=headers)
    assert response.status_code == 413


async def test_a_press_that_can_not_be_stored_shows_that_it_failed(
    gateway: httpx.AsyncClient, redis: Any
) -> None:
    redis.server.connected = False
    response = await gateway.post("/card", json=BODY, headers=signed())
    assert response.status_code == 503


async def test_a_card_of_somebody_elses_template_is_left_as_it_is(
    gateway: httpx.AsyncClient,
) -> None:
    content = {"cardPrivateData": {"actionIds": ["approve"], "params": {}}}
    body = {**BODY, "content": json.dumps(content)}

    response = await gateway.post("/card", json=body, headers=signed())

    assert response.json()["cardData"] == {"cardParamMap": {}}
    assert response.json()["userPrivateData"] == {"cardParamMap": {}}
