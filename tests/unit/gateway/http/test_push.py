"""`POST /push`: what another system must show and say, and what it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from dingda.gateway.receiver import MAX_BODY_BYTES
from dingda.shared.dingtalk.notification import parse_notification
from dingda.shared.dingtalk.push import Group, Push, User
from dingda.shared.dingtalk.reply import Markdown, Text
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.runtime.settings import Settings
from tests.support.builders import KEYS
from tests.support.processes import SECRET
from tests.unit.gateway.conftest import GatewayHarness, a_gateway

TOKEN = "0123456789abcdef-token"
TEXT = {"to": {"group": "ops"}, "msgtype": "text", "text": {"content": "部署完成"}}
_NAMED = json.dumps({"ops": "cidAAA=="})


def settings_of(**values: Any) -> Settings:
    known = {"app_secret": SECRET, "app_key": "ding", "groups": _NAMED, "push_token": TOKEN}
    return Settings(_env_file=None, **known | values)  # type: ignore[call-arg]


@pytest.fixture
async def gateway() -> AsyncIterator[GatewayHarness]:
    async with a_gateway(settings_of()) as gateway:
        yield gateway


async def pushed(
    gateway: GatewayHarness,
    body: Any = TEXT,
    *,
    key: str = "deploy 42",
    headers: Mapping[str, str | bytes] | None = None,
) -> httpx.Response:
    """Push; `headers` replace the right ones, "" leaves one out."""
    shown: dict[str, str | bytes] = {
        "authorization": f"Bearer {TOKEN}",
        "idempotency-key": key,
        **(headers or {}),
    }
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = [(name.encode(), _bytes(value)) for name, value in shown.items() if value]
    return await gateway.client.post("/push", content=content, headers=given)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


async def stored(gateway: GatewayHarness, answer: httpx.Response) -> Push:
    payload: Any = await gateway.redis.hget(KEYS.message(answer.json()["id"]), "payload")
    push = parse_notification(payload.encode()).subject
    assert isinstance(push, Push)
    return push


# What is stored.


async def test_a_push_is_stored_before_it_is_acknowledged(gateway: GatewayHarness) -> None:
    answer = await pushed(gateway)
    assert answer.status_code == 202
    assert await stored(gateway, answer) == Push(Group("ops"), "deploy 42", Text("部署完成"))
    assert await gateway.queued() == 1


async def test_the_same_key_again_is_the_same_push(gateway: GatewayHarness) -> None:
    first, second = [await pushed(gateway) for _ in range(2)]
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()
    assert await gateway.queued() == 1


async def test_another_key_is_another_push(gateway: GatewayHarness) -> None:
    answers = [await pushed(gateway, key=key) for key in ("deploy 42", "deploy 43")]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert await gateway.queued() == 2


async def test_pushes_that_come_at_once_are_each_stored_once(gateway: GatewayHarness) -> None:
    answers = await asyncio.gather(*(pushed(gateway, key=f"{n % 5}") for n in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [202] * 5
    assert await gateway.queued() == 5


async def test_a_person_is_spoken_to_by_userid(gateway: GatewayHarness) -> None:
    markdown = {"title": "报告", "text": "# 早"}
    body = {"to": {"user": "0001"}, "msgtype": "markdown", "markdown": markdown}
    answer = await pushed(gateway, body)
    assert await stored(gateway, answer) == Push(
        User("0001"), "deploy 42", Markdown("报告", "# 早")
    )


async def test_without_an_account_a_custom_robot_can_speak_and_nobody_else() -> None:
    webhook = "https://oapi.dingtalk.com/robot/send?access_token=t"
    groups = json.dumps({"ops": webhook, "id": "cidAAA=="})
    async with a_gateway(settings_of(app_key="", groups=groups)) as gateway:
        by_webhook = await pushed(gateway)
        by_openapi = await pushed(gateway, TEXT | {"to": {"group": "id"}})
        to_user = await pushed(gateway, TEXT | {"to": {"user": "0001"}})
    assert [each.status_code for each in (by_webhook, by_openapi, to_user)] == [202, 400, 400]
    assert "DINGDA_APP_KEY" in to_user.json()["detail"]


async def test_of_several_robots_the_push_names_one() -> None:
    robots = [
        {"name": "小钉", "app_key": "ding1", "secret": "s1"},
        {"name": "小答", "app_key": "ding2", "secret": "s2"},
    ]
    named = settings_of(app_secret="", app_key="", robots=json.dumps(robots))
    async with a_gateway(named) as gateway:
        answers = [
            await pushed(gateway, TEXT | fields, key=str(fields))
            for fields in ({"robot": "小答"}, {"robot": "ding1"}, {"robot": "小问"}, {})
        ]
    assert [answer.status_code for answer in answers] == [202, 202, 400, 400]


# What is refused.


@pytest.mark.parametrize(
    "shown",
    [
        "",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        b"Bearer \xe9",
        "Bearer ",
    ],
)
async def test_a_request_without_the_token_is_refused_and_nothing_is_stored(
    gateway: GatewayHarness, shown: str | bytes
) -> None:
    answer = await pushed(gateway, headers={"authorization": shown})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert await gateway.queued() == 0


async def test_without_a_token_in_the_settings_there_is_no_such_address(
    settings: Settings,
) -> None:
    async with a_gateway(settings) as gateway:
        assert (await pushed(gateway)).status_code == 404


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"to": {"group": "nobody"}}, "no group has this name"),
        ({"to": {}}, "to:"),
        ({"to": {"group": "ops", "user": "0001"}}, "to:"),
        ({"to": {"group": ""}}, "group"),
        ({"msgtype": "video"}, "msgtype"),
        ({"text": {"content": ""}}, "text.content"),
        ({"text": "部署完成"}, "text.content"),
        ({"robot": ["x"]}, "robot"),
    ],
)
async def test_what_is_wrong_with_a_body_is_said_in_a_sentence(
    gateway: GatewayHarness, change: dict[str, Any], said: str
) -> None:
    answer = await pushed(gateway, TEXT | change)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]
    assert await gateway.queued() == 0


async def test_only_skills_make_buttons_that_act(gateway: GatewayHarness) -> None:
    content = {"title": "请假", "text": "同意吗", "buttons": [["同意", "leave:Decide", {}]]}
    card = {"msgtype": "card", "card": content | {"allow": ["0002"], "expires_s": 60}}
    answer = await pushed(gateway, {"to": {"group": "ops"}, **card})
    assert answer.status_code == 400
    assert "skill" in answer.json()["detail"]
    assert await gateway.queued() == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
async def test_what_is_no_json_object_is_refused(gateway: GatewayHarness, body: bytes) -> None:
    assert (await pushed(gateway, body)).status_code == 400


@pytest.mark.parametrize("key", ["", "k" * 2_000, " ", b"\xff"])
async def test_a_push_needs_a_key(gateway: GatewayHarness, key: str | bytes) -> None:
    answer = await pushed(gateway, headers={"idempotency-key": key})
    assert answer.status_code == 400


async def test_a_key_may_be_chinese(gateway: GatewayHarness) -> None:
    assert (await stored(gateway, await pushed(gateway, key="上线 42"))).key == "上线 42"


async def test_a_body_that_is_too_large_is_refused(gateway: GatewayHarness) -> None:
    assert (await pushed(gateway, b"x" * (MAX_BODY_BYTES + 1))).status_code == 413


async def test_the_address_takes_post_alone(gateway: GatewayHarness) -> None:
    assert (await gateway.client.get("/push")).status_code == 405


async def test_what_was_written_is_in_no_log(
    gateway: GatewayHarness, caplog: pytest.LogCaptureFixture
) -> None:
    await pushed(gateway, TEXT | {"to": {"group": "geheim"}, "msgtype": "geheim"})
    await pushed(gateway, headers={"authorization": "Bearer geheim"})
    assert caplog.records
    assert "geheim" not in caplog.text


# What can't be stored now.


async def test_when_redis_is_away_the_client_is_told_to_send_it_again(
    gateway: GatewayHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise RedisConnectionError("away")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "accept", away)
        busy = await pushed(gateway)
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "5")
    assert (await pushed(gateway)).status_code == 202


async def test_a_full_backlog_is_a_503() -> None:
    async with a_gateway(settings_of(backlog_limit=1)) as gateway:
        answers = [await pushed(gateway, key=key) for key in "ab"]
    assert [answer.status_code for answer in answers] == [202, 503]


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ValueError, match="16 ASCII characters or more"):
        settings_of(push_token="hunter2")
