"""A custom robot takes what the bot tells its operators, signed as DingTalk asks."""

import json
from urllib.parse import parse_qs, urlsplit

import httpx

from dingda.shared.dingtalk.signature import sign
from dingda.worker.delivery.custom_robot import CustomRobot
from dingda.worker.delivery.outcome import Delivered, Rejected, Retry, Unknown
from tests.support.worker_harness import FakeDingTalk

WEBHOOK = "https://oapi.dingtalk.com/robot/send?access_token=abc"
NOW_MS = 1_700_000_000_000


def a_robot(dingtalk: FakeDingTalk, secret: str = "") -> CustomRobot:
    return CustomRobot(dingtalk, webhook=WEBHOOK, secret=secret, now_ms=lambda: NOW_MS)


async def test_a_text_goes_to_the_webhook_as_it_is() -> None:
    dingtalk = FakeDingTalk({"errcode": 0})
    assert isinstance(await a_robot(dingtalk).send("3 条消息"), Delivered)
    (request,) = dingtalk.taken
    assert request.url == WEBHOOK
    assert json.loads(request.content) == {"msgtype": "text", "text": {"content": "3 条消息"}}


async def test_with_a_secret_the_query_has_a_timestamp_and_the_signature_encoded_once() -> None:
    dingtalk = FakeDingTalk({"errcode": 0})
    await a_robot(dingtalk, secret="SECret").send("3 条消息")
    (request,) = dingtalk.taken
    query = parse_qs(urlsplit(request.url).query, strict_parsing=True)
    assert query == {
        "access_token": ["abc"],
        "timestamp": [str(NOW_MS)],
        "sign": [sign(str(NOW_MS), "SECret")],
    }


async def test_what_goes_wrong_is_an_outcome() -> None:
    dingtalk = FakeDingTalk({"errcode": 0})
    dingtalk.script = [{"errcode": 310000}, httpx.ConnectError("no"), httpx.ReadTimeout("no")]
    robot = a_robot(dingtalk)
    outcomes = [await robot.send("3 条消息") for _ in range(3)]
    assert [type(outcome) for outcome in outcomes] == [Rejected, Retry, Unknown]
