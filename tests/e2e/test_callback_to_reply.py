"""The whole bot on real processes, from a signed callback to the reply that arrives."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from tests.support.builders import KEYS, a_callback
from tests.support.processes import (
    SECRET,
    Process,
    Script,
    SessionWebhook,
    Valkey,
    gateway,
    post_callback,
    process,
    signed,
    valkey,
    wait_until,
    worker,
)

PICTURE = "https://img.alicdn.com/tfs/TB1NwmBEL9TBuNjy1zbXXXpepXa-2400-1218.png"
CARD = {
    "title": "州的先生 Python 实战教程合集",
    "text": " \n #### 州的先生 Python 实战教程合集 \n\n "
    "学习Python的一个好方法就是用实际的项目来熟练语言",
}
REPLIES: dict[str, Any] = {
    "text": {
        "msgtype": "text",
        "text": {"content": "@0001 你刚刚发的消息是：[text]"},
        "at": {"atUserIds": ["0001"], "isAtAll": False},
    },
    "markdown": {
        "msgtype": "markdown",
        "markdown": {
            "title": "州的先生机器人助理",
            "text": "## 这是什么? \n 这是一个钉钉机器人\n\n@0001",
        },
        "at": {"atUserIds": ["0001"], "isAtAll": False},
    },
    "整体跳转": {
        "msgtype": "actionCard",
        "actionCard": {
            **CARD,
            "singleTitle": "阅读全文",
            "singleURL": "http://mrdoc.zmister.com",
        },
    },
    "独立跳转": {
        "msgtype": "actionCard",
        "actionCard": {
            **CARD,
            "hideAvatar": "0",
            "btnOrientation": "0",
            "btns": [
                {"title": "去看看", "actionURL": "http://mrdoc.zmister.com"},
                {"title": "不感兴趣", "actionURL": "https://zmister.com/"},
            ],
        },
    },
    "feed": {
        "msgtype": "feedCard",
        "feedCard": {
            "links": [
                {
                    "title": "时代的火车向前开1",
                    "messageURL": "http://mrdoc.zmister.com",
                    "picURL": PICTURE,
                },
                {
                    "title": "时代的火车向前开2",
                    "messageURL": "https://zmister.com/",
                    "picURL": PICTURE,
                },
            ]
        },
    },
}


class RunningBot:
    """A gateway, its workers, their Redis, and a fake sessionWebhook."""

    def __init__(
        self, server: Valkey, address: str, webhook: SessionWebhook, processes: list[Process]
    ) -> None:
        self.server = server
        self.address = address
        self.webhook = webhook
        self.processes = processes
        self._messages = 0

    def body(self, text: str, **fields: Any) -> bytes:
        self._messages += 1
        own = {
            "msgId": f"msg{time.time_ns()}",
            "senderId": f"$:LWCP_v1:$s{self._messages}",
            "sessionWebhook": self.webhook.url(),
        }
        return a_callback(f" {text}", **own | fields)

    def say(self, text: str, **fields: Any) -> httpx.Response:
        return post_callback(self.address, self.body(text, **fields))

    def counts(self) -> dict[str, int]:
        with redis.Redis.from_url(self.server.url, decode_responses=True) as client:
            stored: Any = client.hgetall(KEYS.count)
        return {name: int(total) for name, total in stored.items()}

    def wait_for_counts(self, *, within_s: float = 20.0, **expected: int) -> None:
        def as_expected() -> bool:
            counts = self.counts()
            return all(counts.get(name, 0) == total for name, total in expected.items())

        wait_until(as_expected, within_s=within_s)

    def wait_for_a_lease(self) -> None:
        with redis.Redis.from_url(self.server.url) as client:
            wait_until(lambda: client.zcard(KEYS.due))

    @contextmanager
    def worker(self) -> Iterator[Process]:
        """A worker that knows the tests' slow skill."""
        with worker(
            self.server.url, self.webhook.origin, DINGDA_SKILLS="tests.e2e.slow_skill"
        ) as started:
            yield started


@pytest.fixture
def own_bot(tmp_path: Path) -> Iterator[RunningBot]:
    """A bot for one test, which starts the workers."""
    with (
        valkey(tmp_path) as server,
        SessionWebhook() as webhook,
        gateway(server.url) as (receives, address),
    ):
        yield RunningBot(server, address, webhook, [receives])


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBot]:
    with (
        valkey(tmp_path_factory.mktemp("valkey")) as server,
        SessionWebhook() as webhook,
        gateway(server.url) as (receives, address),
        worker(
            server.url,
            webhook.origin,
            DINGDA_SKILLS="dingda.worker.skills.demo,tests.e2e.slow_skill",
            DINGDA_LOG_LEVEL="DEBUG",
        ) as answers,
    ):
        yield RunningBot(server, address, webhook, [receives, answers])


@pytest.fixture(autouse=True)
def _nothing_yet(bot: RunningBot) -> None:
    bot.webhook.posts.clear()


@pytest.mark.parametrize("command", REPLIES)
def test_each_command_gives_exactly_one_reply_of_the_right_shape(
    bot: RunningBot, command: str
) -> None:
    ack = bot.say(command)
    assert (ack.status_code, ack.json()) == (200, {"msgtype": "empty"})
    (post,) = bot.webhook.wait_for(1)
    assert post.payload == REPLIES[command]
    time.sleep(0.3)
    assert len(bot.webhook.posts) == 1


@pytest.mark.parametrize(
    "spelling", ["ＴＥＸＴ", "te\u200bxt", "　Text ", "@钉答\u2005text", "text @钉答", "text@钉答"]
)
def test_every_spelling_reaches_the_same_command(bot: RunningBot, spelling: str) -> None:
    bot.say(spelling)
    (post,) = bot.webhook.wait_for(1)
    assert post.payload["text"]["content"].startswith("@0001 你刚刚发的消息是：[")


def test_traditional_characters_reach_the_same_command_and_are_answered_alike(
    bot: RunningBot,
) -> None:
    bot.say("整體跳轉")
    (post,) = bot.webhook.wait_for(1)
    assert post.payload["actionCard"]["singleTitle"] == "閱讀全文"


def test_a_reply_is_utf8_json(bot: RunningBot) -> None:
    bot.say("markdown")
    (post,) = bot.webhook.wait_for(1)
    assert post.headers["content-type"] == "application/json; charset=utf-8"
    assert "钉钉".encode() in post.body


def test_an_unknown_text_gives_no_reply(bot: RunningBot) -> None:
    before = bot.counts().get("unmatched", 0)
    bot.say("吃了吗")
    bot.wait_for_counts(unmatched=before + 1)
    assert bot.webhook.posts == []


async def test_the_same_callback_fifty_times_at_once_gives_one_reply(bot: RunningBot) -> None:
    body, headers = bot.body("text"), signed()
    async with httpx.AsyncClient() as client:
        acks = await asyncio.gather(
            *(client.post(bot.address, content=body, headers=headers) for _ in range(50))
        )
    assert {ack.text for ack in acks} == {'{"msgtype":"empty"}'}
    bot.webhook.wait_for(1)
    await asyncio.sleep(0.5)
    assert len(bot.webhook.posts) == 1


def test_an_unknown_sender_and_one_in_a_single_chat_are_not_mentioned(bot: RunningBot) -> None:
    bot.say("text", senderStaffId="")
    bot.say("text", conversationType="1")
    posts = bot.webhook.wait_for(2)
    for post in posts:
        assert post.payload == {
            "msgtype": "text",
            "text": {"content": "你刚刚发的消息是：[text]"},
        }


def test_help_lists_what_is_loaded(bot: RunningBot) -> None:
    bot.say("帮助")
    (post,) = bot.webhook.wait_for(1)
    assert "慢 ＜seconds＞" in post.payload["markdown"]["text"]


def test_slow_questions_are_answered_at_once_not_one_after_another(bot: RunningBot) -> None:
    began = time.monotonic()
    for _ in range(20):
        bot.say("慢 1")
    bot.webhook.wait_for(20)
    assert time.monotonic() - began < 10


def test_the_garbage_collector_passes_over_what_the_workers_start_has_made(
    bot: RunningBot,
) -> None:
    bot.say("不再回收")
    (post,) = bot.webhook.wait_for(1)
    assert int(post.payload["text"]["content"]) > 10_000


def test_a_reply_goes_to_no_other_origin(bot: RunningBot) -> None:
    before = bot.counts().get("dead:failed", 0)
    with SessionWebhook() as stranger:
        bot.say("text", sessionWebhook=stranger.url())
        bot.wait_for_counts(**{"dead:failed": before + 1})
        assert stranger.posts == []


def rejecting(response: dict[str, Any]) -> Script:
    """What DingTalk says to a reply that it does not show."""
    return Script(body=json.dumps(response).encode(), shows=False)


def test_what_dingtalk_refuses_ends_as_failed_and_is_listed(bot: RunningBot) -> None:
    before = bot.counts().get("dead:failed", 0)
    bot.webhook.first.append(rejecting({"errcode": 300001, "errmsg": "session 不存在"}))
    bot.say("text")
    bot.wait_for_counts(**{"dead:failed": before + 1})
    env = {"DINGDA_REDIS_URL": bot.server.url}
    with process("-m", "worker", "dead", "list", env=env) as listed:
        assert listed.popen.wait(20) == 0
        listed.wait_for("errcode 300001")


def test_a_busy_dingtalk_is_tried_again_with_the_same_bytes(bot: RunningBot) -> None:
    bot.webhook.first.append(rejecting({"errcode": -1}))
    bot.say("text")
    posts = bot.webhook.wait_for(2)
    assert posts[0].body == posts[1].body


def test_nothing_private_is_logged_or_left_behind(bot: RunningBot) -> None:
    answered = bot.counts().get("answered", 0)
    canaries = ("canary-session", "canary-staff", "canary-title", SECRET)
    bot.say(
        "text",
        sessionWebhook=bot.webhook.url("canary-session"),
        senderStaffId="canary-staff",
        conversationTitle="canary-title",
    )
    bot.wait_for_counts(answered=answered + 1)
    bot.webhook.wait_for(1)
    with redis.Redis.from_url(bot.server.url) as client:
        kept = b"".join(client.dump(key) or b"" for key in client.scan_iter("*"))
        kept += b"".join(client.scan_iter("*"))
    output = "".join(process.output for process in bot.processes)
    for canary in canaries:
        assert canary.encode() not in kept
        assert canary not in output


def test_rq_info_shows_the_queue_and_the_worker(bot: RunningBot) -> None:
    with process("-m", "rq.cli", "info", "-u", bot.server.url, env={}) as info:
        info.wait_for(r"1 workers, 1 queues")
    assert "dingda" in info.output


def test_a_killed_workers_message_is_answered_once_by_another(own_bot: RunningBot) -> None:
    with own_bot.worker() as first:
        own_bot.say("慢 4")
        own_bot.wait_for_a_lease()
        first.popen.send_signal(signal.SIGKILL)
        first.popen.wait()
    with own_bot.worker():
        own_bot.webhook.wait_for(1, within_s=40)
        own_bot.wait_for_counts(answered=1)
    assert len(own_bot.webhook.posts) == 1


def test_sigterm_lets_a_running_answer_end(own_bot: RunningBot) -> None:
    with own_bot.worker() as answers:
        own_bot.say("慢 2")
        own_bot.wait_for_a_lease()
        assert answers.stop() == 0
        assert len(own_bot.webhook.posts) == 1
        own_bot.wait_for_counts(answered=1)


def test_a_second_sigterm_hands_the_message_to_another_worker(own_bot: RunningBot) -> None:
    with own_bot.worker() as first:
        own_bot.say("慢 3")
        own_bot.wait_for_a_lease()
        first.popen.send_signal(signal.SIGTERM)
        first.wait_for("stopping; 1 job")
        first.stop()
    assert own_bot.webhook.posts == []
    with own_bot.worker():
        own_bot.webhook.wait_for(1)
        own_bot.wait_for_counts(answered=1)


def test_a_worker_outlives_a_restart_of_redis(own_bot: RunningBot) -> None:
    with own_bot.worker() as answers:
        own_bot.say("慢 2")
        own_bot.wait_for_a_lease()
        time.sleep(1.1)  # everysec: what was acknowledged is on the disk by now
        own_bot.server.kill()
        time.sleep(2.0)
        own_bot.server.start()
        own_bot.wait_for_counts(answered=1)
        own_bot.say("慢 0")
        own_bot.wait_for_counts(answered=2)
        assert len(own_bot.webhook.posts) == 2
        assert answers.popen.poll() is None
