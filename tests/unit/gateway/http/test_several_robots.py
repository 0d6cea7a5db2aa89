"""Callbacks to several robots: the secret says whose it is, and robotCode must agree."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dingda.gateway.metrics import CountedGatewayMetrics
from dingda.shared.runtime.settings import Settings
from tests.support.builders import a_callback
from tests.unit.gateway.conftest import GatewayHarness, a_gateway
from tests.unit.gateway.test_metrics import callbacks

STORED = {"msgtype": "empty"}
SALES, STAFF, OLD_STAFF = "secret-of-sales", "secret-of-staff", "old-secret-of-staff"
ROBOTS = [
    {"name": "小钉", "code": "dingsales", "secret": SALES, "mode": "stream", "app_key": "k"},
    {"code": "dingstaff", "secret": [STAFF, OLD_STAFF]},
]


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayHarness]:
    settings = Settings(_env_file=None, robots=json.dumps(ROBOTS))  # type: ignore[call-arg, arg-type]
    async with a_gateway(settings, CountedGatewayMetrics(tmp_path, settings.robots)) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("secret", "code"), [(SALES, "dingsales"), (STAFF, "dingstaff"), (OLD_STAFF, "dingstaff")]
)
async def test_a_callback_with_the_robots_own_secret_is_stored(
    gateway: GatewayHarness, secret: str, code: str
) -> None:
    answer = await gateway.post(a_callback(robotCode=code), secret=secret)
    assert (answer.status_code, answer.json()) == (200, STORED)
    assert await gateway.queued() == 1


@pytest.mark.parametrize(
    ("secret", "code"), [(SALES, "dingstaff"), (OLD_STAFF, "dingsales"), (STAFF, "nobodys")]
)
async def test_one_with_another_robots_secret_is_refused_logged_and_counted(
    gateway: GatewayHarness,
    secret: str,
    code: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = await gateway.post(a_callback(robotCode=code), secret=secret)
    label = "小钉" if secret == SALES else "dingstaff"
    detail = f"it came to {label}, and its robotCode is another's"
    assert (answer.status_code, answer.json()) == (403, {"error": "robot", "detail": detail})
    assert f"rejected (1 so far): {detail}" in caplog.text
    assert callbacks(tmp_path) == {"misdirected": 1}
    assert await gateway.queued() == 0


async def test_a_captured_signature_speaks_to_its_own_robot_alone(gateway: GatewayHarness) -> None:
    codes = ["dingsales", "dingstaff", "", "normal", "DINGSTAFF", "dingstaff\u0000"]
    answers = [
        await gateway.post(a_callback(robotCode=code, msgId=f"m {code}"), secret=SALES)
        for code in codes
    ]
    assert [answer.status_code for answer in answers] == [200, 403, 200, 200, 403, 403]
    assert await gateway.queued() == 3
    keys = await gateway.redis.keys("dingda:message:*")
    payloads: list[Any] = [await gateway.redis.hget(key, "payload") for key in keys]
    assert {json.loads(payload)["robotCode"] for payload in payloads} == {"dingsales"}


async def test_a_signature_of_none_of_them_is_refused(gateway: GatewayHarness) -> None:
    answer = await gateway.post(a_callback(robotCode="dingsales"), secret="nobodys")
    assert (answer.status_code, answer.json()["error"]) == (401, "signature")


async def test_a_refused_one_uses_up_nothing_of_its_signature(gateway: GatewayHarness) -> None:
    for number in range(20):
        await gateway.post(a_callback(robotCode="dingstaff", msgId=str(number)), secret=SALES)
    answer = await gateway.post(a_callback(robotCode="dingsales"), secret=SALES)
    assert answer.json() == STORED
