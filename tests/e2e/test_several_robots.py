"""Two robots on one gateway and one worker; the OpenAPI as each of their applications sees it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dingda.shared.texts import SENT_PRIVATELY
from dingda.simulator.backends.dingtalk_openapi import FakeOpenAPI, Person
from dingda.simulator.testing.processes import free_port
from tests.support.builders import KEYS, a_callback
from tests.support.processes import (
    SessionWebhook,
    Valkey,
    gateway,
    post_callback,
    signed,
    valkey,
    wait_until,
    worker,
)

ROBOTS = {"blue": "蓝的答案", "red": "红的答案"}
EACH = 8
"""How many people speak to each robot at the same time."""


class Sent(NamedTuple):
    """A private message."""

    app: str
    """The AppKey whose token it was sent with."""
    robot: str
    """The robot's code in it."""
    to: str
    text: str


class OpenAPI:
    """DingTalk's OpenAPI at one address: each application has a fake of its own."""

    def __init__(self, people: list[Person]) -> None:
        self.sent: list[Sent] = []
        self._apps: dict[str, ASGIApp] = {}
        self._owners: dict[str, str] = {}
        for robot in ROBOTS:
            fake = FakeOpenAPI(people, app_key=f"app-{robot}", app_secret=f"secret-{robot}")
            self._apps[f"app-{robot}"] = fake.app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        fields = json.loads(body)
        token = request.headers.get("x-acs-dingtalk-access-token")
        app = self._owners[token] if token else fields["appKey"]
        if "robotCode" in fields:
            text = json.loads(fields["msgParam"])["content"]
            self.sent += [Sent(app, fields["robotCode"], to, text) for to in fields["userIds"]]

        async def receive_again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_and_note(message: Message) -> None:
            answer = message.get("body", b"")
            if b"accessToken" in answer:
                self._owners[json.loads(answer)["accessToken"]] = app
            await send(message)

        await self._apps[app](scope, receive_again, send_and_note)


class RunningBot(NamedTuple):
    """What a test speaks to and looks at."""

    server: Valkey
    address: str
    webhook: SessionWebhook
    openapi: OpenAPI
    metrics: str

    def say(self, robot: str, sender: str, number: int) -> None:
        """Let somebody ask a robot, in the group that all share."""
        body = a_callback(
            "问",
            robotCode=f"code-{robot}",
            chatbotUserId=f"$:LWCP_v1:${robot}",
            msgId=f"msg{number}",
            senderId=f"$:LWCP_v1:${sender}",
            senderStaffId=sender,
            sessionWebhook=self.webhook.url(robot),
        )
        assert post_callback(
            self.address, body, headers=signed(secret=f"secret-{robot}")
        ).is_success

    def totals(self) -> dict[str, int]:
        with self.server.client() as client:
            stored: Any = client.hgetall(KEYS.count)
        return {name: int(total) for name, total in stored.items()}


@contextmanager
def serving(app: OpenAPI) -> Iterator[str]:
    """The address of an application that is served in a thread."""
    port = free_port()
    config = uvicorn.Config(app, port=port, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[RunningBot]:
    people = [Person(f"{robot}-{n}", "张三") for robot in ROBOTS for n in range(EACH)]
    openapi = OpenAPI(people)
    robots = [
        {
            "name": robot,
            "code": f"code-{robot}",
            "app_key": f"app-{robot}",
            "secret": f"secret-{robot}",
            "skills": [f"tests.e2e.{robot}_skill"],
        }
        for robot in ROBOTS
    ]
    settings, metrics_port = {"DINGDA_ROBOTS": json.dumps(robots)}, free_port()
    with (
        valkey(tmp_path) as server,
        SessionWebhook() as webhook,
        serving(openapi) as address,
        gateway(server.url, **settings, DINGDA_APP_SECRET="") as (_, callback),
        worker(
            server.url,
            webhook.origin,
            **settings,
            DINGDA_OPENAPI_URL=address,
            DINGDA_OAPI_URL=address,
            DINGDA_METRICS_PORT=str(metrics_port),
        ),
    ):
        metrics = f"http://127.0.0.1:{metrics_port}/metrics"
        yield RunningBot(server, callback, webhook, openapi, metrics)


def test_each_private_answer_goes_out_by_the_robot_that_was_asked_and_to_its_sender_alone(
    bot: RunningBot,
) -> None:
    asked = [(robot, f"{robot}-{n}") for n in range(EACH) for robot in ROBOTS]
    for number, (robot, sender) in enumerate(asked):
        bot.say(robot, sender, number)
    wait_until(lambda: bot.totals().get("answered") == len(asked))
    assert sorted(bot.openapi.sent) == sorted(
        Sent(f"app-{robot}", f"code-{robot}", sender, ROBOTS[robot]) for robot, sender in asked
    )
    # In the group only this is said, by each robot in its own session.
    bot.webhook.wait_for(len(asked))
    said = sorted((post.path[-4:], post.payload["text"]["content"]) for post in bot.webhook.posts)
    assert said == sorted((robot[-4:].rjust(4, "="), SENT_PRIVATELY) for robot, _ in asked)
    told = httpx.get(bot.metrics).text
    for robot in ROBOTS:
        labels = f'{{outcome="answered",robot="{robot}",skill="{robot}"}}'
        assert f"dingda_skill_duration_seconds_count{labels} {EACH:.1f}" in told
