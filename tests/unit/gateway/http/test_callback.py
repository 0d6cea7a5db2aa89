"""The callback, through HTTP: what is acknowledged, what is rejected, and with which words."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from dingda.gateway.app import create_app
from dingda.gateway.http.replay import BYTES_A_SIGNATURE
from dingda.gateway.http.replay import MESSAGES_A_SIGNATURE as MOST
from dingda.gateway.receiver import MAX_BODY_BYTES
from dingda.shared.errors import SettingsError
from dingda.shared.runtime.settings import Settings
from dingda.shared.texts import BUSY
from tests.support.builders import a_callback
from tests.support.processes import SECRET, signed
from tests.unit.gateway.conftest import CALLBACK, GatewayHarness, a_gateway

STORED = {"msgtype": "empty"}
HOUR_MS = 3_600_000


# What is acknowledged.


async def test_a_signed_message_is_stored_and_then_acknowledged(gateway: GatewayHarness) -> None:
    answer = await gateway.post()
    assert (answer.status_code, answer.json()) == (200, STORED)
    assert await gateway.queued() == 1


@pytest.mark.parametrize("path", ["/dd_robot/", "/dd_robot"])
async def test_the_last_slash_makes_no_difference_and_no_redirect(
    gateway: GatewayHarness, path: str
) -> None:
    answer = await gateway.post(path=path)
    assert (answer.status_code, answer.json()) == (200, STORED)


async def test_the_same_message_again_is_acknowledged_and_not_stored_again(
    gateway: GatewayHarness,
) -> None:
    answers = [await gateway.post(), await gateway.post()]
    assert [answer.json() for answer in answers] == [STORED, STORED]
    assert (await gateway.queued(), (await gateway.counts())["accepted"]) == (1, "1")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (a_callback(senderId="$:LWCP_v1:$bot"), "own_message"),
        (b"{}", "probe"),
        (a_callback(None, errorCode=20001, errorMsg="quota"), "over_quota"),
    ],
)
async def test_a_callback_that_needs_no_answer_is_acknowledged_and_counted(
    gateway: GatewayHarness, body: bytes, reason: str
) -> None:
    answer = await gateway.post(body)
    assert (answer.status_code, answer.json()) == (200, STORED)
    assert await gateway.counts() == {f"ignored:{reason}": "1"}


async def test_a_used_up_quota_is_logged_with_what_to_do(
    gateway: GatewayHarness, caplog: pytest.LogCaptureFixture
) -> None:
    await gateway.post(a_callback(None, errorCode=20001))
    assert "quota" in caplog.text
    assert "resource management" in caplog.text


async def test_a_content_type_is_not_needed(gateway: GatewayHarness) -> None:
    headers = signed(timestamp=gateway.now_ms)
    del headers["content-type"]
    answer = await gateway.client.post(CALLBACK, content=a_callback(), headers=headers)
    assert answer.json() == STORED


# Whose signature counts.


@pytest.mark.parametrize("offset_ms", [-HOUR_MS, HOUR_MS])
async def test_a_timestamp_an_hour_away_still_counts(
    gateway: GatewayHarness, offset_ms: int
) -> None:
    assert (await gateway.post(timestamp=gateway.now_ms + offset_ms)).status_code == 200


@pytest.mark.parametrize("offset_ms", [-HOUR_MS - 1, HOUR_MS + 1])
async def test_a_timestamp_further_away_is_refused_either_way(
    gateway: GatewayHarness, offset_ms: int
) -> None:
    answer = await gateway.post(timestamp=gateway.now_ms + offset_ms)
    assert (answer.status_code, answer.json()["error"]) == (401, "stale")


@pytest.mark.parametrize("sign", ["", "x", "A" * 43 + "="])
async def test_another_signature_is_refused_and_nothing_is_stored(
    gateway: GatewayHarness, sign: str
) -> None:
    answer = await gateway.post(headers={"sign": sign})
    assert (answer.status_code, answer.json()["error"]) == (401, "signature")
    assert await gateway.queued() == 0


async def test_a_signature_is_checked_before_the_body_is_looked_at(gateway: GatewayHarness) -> None:
    answer = await gateway.post(b"\xff not json", headers={"sign": "x"})
    assert answer.json()["error"] == "signature"


async def test_a_captured_signature_vouches_for_few_other_messages(gateway: GatewayHarness) -> None:
    answers = [await gateway.post(a_callback(msgId=f"m{number}")) for number in range(30)]
    assert [answer.status_code for answer in answers] == [200] * MOST + [401] * (30 - MOST)
    assert answers[-1].json()["error"] == "replay"
    assert await gateway.queued() == MOST


async def test_a_message_may_come_again_though_its_signature_is_used_up(
    gateway: GatewayHarness,
) -> None:
    for number in range(MOST + 1):
        await gateway.post(a_callback(msgId=f"m{number}"))
    assert (await gateway.post(a_callback(msgId="m0"))).json() == STORED


async def test_another_signature_is_not_used_up_by_that(gateway: GatewayHarness) -> None:
    for number in range(MOST + 1):
        await gateway.post(a_callback(msgId=f"m{number}"))
    later = gateway.now_ms + 1
    assert (await gateway.post(a_callback(msgId="new"), timestamp=later)).json() == STORED


async def test_no_refusal_holds_the_secret_or_the_signature_that_was_wanted(
    gateway: GatewayHarness,
) -> None:
    wanted = signed(timestamp=gateway.now_ms)["sign"]
    answer = await gateway.post(headers={"sign": "x"})
    assert SECRET not in answer.text
    assert wanted not in answer.text


async def test_each_of_several_secrets_counts_while_one_is_rotated() -> None:
    settings = Settings(_env_file=None, app_secret="older,newer")  # type: ignore[call-arg, arg-type]
    async with a_gateway(settings) as gateway:
        assert (await gateway.post(secret="older")).json() == STORED
        assert (await gateway.post(secret="newer")).json() == STORED
        assert (await gateway.post(secret="other")).status_code == 401


def test_it_starts_only_with_a_secret_and_says_where_to_find_one() -> None:
    with pytest.raises(SettingsError, match=r"DINGDA_APP_SECRET.*\n.*Client Secret"):
        create_app(Settings(_env_file=None))  # type: ignore[call-arg]


# Requests that are refused, each with its status and its reason.


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_heard(gateway: GatewayHarness, method: str) -> None:
    answer = await gateway.client.request(method, CALLBACK)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_whoever_looks_at_the_address_sees_that_it_is_one(
    gateway: GatewayHarness, method: str
) -> None:
    answer = await gateway.client.request(method, CALLBACK)
    assert answer.status_code == 200
    assert "message-receiving address" in answer.text or method == "HEAD"
    assert await gateway.counts() == {}


async def test_an_empty_post_that_nobody_signed_is_a_probe_and_promises_nothing(
    gateway: GatewayHarness, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        answer = await gateway.client.post(CALLBACK, content=b"", headers={"content-length": "0"})
        assert answer.status_code == 200
        assert "msgtype" not in answer.text
    assert await gateway.queued() == 0
    assert caplog.text.count("probed") == 1


async def test_an_empty_post_that_is_signed_wrongly_is_refused(gateway: GatewayHarness) -> None:
    answer = await gateway.post(b"", headers={"sign": "x"})
    assert answer.status_code == 401


async def test_words_that_nobody_signed_are_refused(gateway: GatewayHarness) -> None:
    answer = await gateway.client.post(CALLBACK, content=b"{}")
    assert answer.status_code == 401


async def test_an_event_subscriptions_callback_tells_the_operator_what_is_set_up_wrongly(
    gateway: GatewayHarness, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{CALLBACK}?signature=a&timestamp=1700000000000&nonce=b"
    answer = await gateway.client.post(url, json={"encrypt": "MDEyMzQ1Njc4OWFiY2RlZg=="})
    assert (answer.status_code, answer.json()["error"]) == (401, "event_subscription")
    assert "event subscription" in caplog.text
    assert "message-receiving address" in caplog.text


@pytest.mark.parametrize(
    "header",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=gbk"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-encoding": "gzip"},
        {"content-encoding": "deflate"},
    ],
)
async def test_another_encoding_is_415(gateway: GatewayHarness, header: dict[str, str]) -> None:
    answer = await gateway.post(headers=header)
    assert (answer.status_code, answer.json()["error"]) == (415, "encoding")


async def test_a_body_of_the_limit_is_read(gateway: GatewayHarness) -> None:
    body = a_callback()
    answer = await gateway.post(body[:-1] + b" " * (MAX_BODY_BYTES - len(body)) + b"}")
    assert answer.json() == STORED


async def test_a_quoted_reply_of_ours_is_no_body_above_the_limit(gateway: GatewayHarness) -> None:
    runs = [{"text": "天", "bold": "false", "color": "#000000"} for _ in range(4_500)]
    body = a_callback(repliedMsg={"msgType": "interactiveCard", "content": {"runs": runs}})
    assert 200_000 < len(body) <= MAX_BODY_BYTES
    assert (await gateway.post(body)).json() == STORED


async def test_one_signature_vouches_for_so_many_bytes_and_no_more(gateway: GatewayHarness) -> None:
    body = a_callback()
    large = body[:-1] + b" " * (MAX_BODY_BYTES - len(body)) + b"}"
    for _ in range(BYTES_A_SIGNATURE // MAX_BODY_BYTES):
        assert (await gateway.post(large)).json() == STORED
    answer = await gateway.post(large)
    assert (answer.status_code, answer.json()["error"]) == (401, "replay")
    assert (await gateway.post(large, timestamp=gateway.now_ms + 1)).json() == STORED


async def test_an_offer_of_another_protocol_whose_body_is_lost_is_named(
    gateway: GatewayHarness,
) -> None:
    answer = await gateway.post(headers={"connection": "upgrade", "upgrade": "h2c"})
    assert (answer.status_code, answer.json()["error"]) == (400, "upgrade")
    assert "Upgrade" in answer.json()["detail"]


async def test_a_body_above_the_limit_is_413_by_its_declared_length(
    gateway: GatewayHarness,
) -> None:
    answer = await gateway.post(b"x" * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["error"]) == (413, "size")


async def test_a_body_above_the_limit_is_413_though_no_length_is_declared(
    gateway: GatewayHarness,
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 1024 + 16):
            yield b"x" * 1024

    answer = await gateway.client.post(
        CALLBACK, content=chunks(), headers=signed(timestamp=gateway.now_ms)
    )
    assert (answer.status_code, answer.json()["error"]) == (413, "size")


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9" * 500])
async def test_a_length_that_is_no_number_or_absurd_is_413(
    gateway: GatewayHarness, length: str
) -> None:
    answer = await gateway.post(headers={"content-length": length})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff",
        a_callback().decode().encode("utf-16"),
        a_callback().decode().encode("utf-32"),
        b"\xef\xbb\xbf" + a_callback(),
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"n":' + b"9" * 5_000 + b"}",
        b'{"n":NaN}',
        b"[]",
        b'"text"',
        b"null",
        b'{"msgId":"1","msgId":"2"}',
        a_callback(without=["sessionWebhook"]),
        a_callback(without=["msgId"]),
        a_callback(msgId=7),
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_a_body_that_is_no_message_is_400(gateway: GatewayHarness, body: bytes) -> None:
    answer = await gateway.post(body)
    assert (answer.status_code, answer.json()["error"]) == (400, "body")
    assert await gateway.queued() == 0


async def test_a_refusal_of_a_body_does_not_repeat_what_was_in_it(gateway: GatewayHarness) -> None:
    answer = await gateway.post(b'{"msgId": "canary", canary}')
    assert "canary" not in answer.text


async def test_rejections_are_logged_once_in_a_while_not_each(
    gateway: GatewayHarness, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        await gateway.post(headers={"sign": "x"})
    assert caplog.text.count("rejected") == 1


HEADERS = st.dictionaries(
    st.sampled_from(
        ["timestamp", "sign", "content-type", "content-length", "content-encoding", "x"]
    ).map(str.encode),
    st.binary(max_size=64),
)


@given(headers=HEADERS, body=st.binary(max_size=200))
@examples(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_header_bytes_and_no_body_give_a_5xx(
    settings: Settings, headers: dict[bytes, bytes], body: bytes
) -> None:
    async def call() -> int:
        app = create_app(settings)
        statuses: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(event: Any) -> None:
            if event["type"] == "http.response.start":
                statuses.append(event["status"])

        scope = {
            "type": "http",
            "method": "POST",
            "path": CALLBACK,
            "headers": list(headers.items()),
        }
        await app(scope, receive, send)
        return statuses[0]

    # 200 is for an empty request that nobody signed: somebody looks at the address.
    assert 200 <= asyncio.run(call()) < 500


@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from([*json.loads(a_callback()), "x"]), inner, max_size=8)
        ),
        max_leaves=20,
    )
)
@examples(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_signed_body_gives_a_5xx(gateway: GatewayHarness, body: Any) -> None:
    answer = await gateway.post(json.dumps(body).encode())
    assert answer.status_code in (200, 400)


# Redis.


async def test_a_full_backlog_is_said_in_the_callbacks_own_response(settings: Settings) -> None:
    async with a_gateway(settings.model_copy(update={"backlog_limit": 1})) as gateway:
        assert (await gateway.post(a_callback(msgId="1"))).json() == STORED
        busy = await gateway.post(a_callback(msgId="2"))
    assert busy.json() == {"msgtype": "text", "text": {"content": BUSY}}


async def test_it_is_alive_and_ready(gateway: GatewayHarness) -> None:
    assert (await gateway.client.get("/healthz")).json() == {"alive": True}
    ready = await gateway.client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "redis": "stores"})


async def test_another_path_is_404_in_json(gateway: GatewayHarness) -> None:
    answer = await gateway.client.get("/elsewhere")
    assert (answer.status_code, answer.json()["error"]) == (404, "http")
