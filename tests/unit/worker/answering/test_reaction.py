"""A message gets a reaction while the bot works on it, if that takes a while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import fakeredis
import httpx

from dingda.worker.answering.reaction import AFTER_S, ThinkingReaction
from dingda.worker.services.call_rate import CallRate
from tests.support.builders import a_message
from tests.support.openapi_clients import openapi_of
from tests.support.virtual_time import virtual_time

MESSAGE = a_message("天气", msgId="msg1")


class Emotions:
    """DingTalk's two calls; each is refused with the status that stands for it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes]] = []
        self.statuses: dict[str, list[int]] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/accessToken"):
            return httpx.Response(200, json={"accessToken": "t", "expireIn": 7200})
        what = request.url.path.rpartition("/")[2]
        self.calls.append((what, request.content))
        status = next(iter(self.statuses.get(what, [])), 200)
        if self.statuses.get(what):
            self.statuses[what].pop(0)
        return httpx.Response(status, json={"success": True} if status == 200 else {"code": "x"})

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


@asynccontextmanager
async def reacting(emotions: Emotions) -> AsyncIterator[ThinkingReaction]:
    redis = fakeredis.FakeAsyncRedis(decode_responses=True)
    async with httpx.AsyncClient(transport=httpx.MockTransport(emotions)) as client:
        rate = CallRate(redis, "dingda:calls:key")
        yield ThinkingReaction(openapi_of(client), rate, robot_code="robot", text="🤔思考中")
        await asyncio.sleep(60)


async def work(emotions: Emotions, *, takes_s: float) -> None:
    async with reacting(emotions) as reaction:
        with reaction.shown(MESSAGE):
            await asyncio.sleep(takes_s)


@virtual_time
async def test_it_is_shown_after_a_while_and_undone_with_the_same_body() -> None:
    emotions = Emotions()
    await work(emotions, takes_s=5)
    (shown, body), (undone, same) = emotions.calls
    assert (shown, undone) == ("reply", "recall")
    assert body == same
    assert b'"msg1"' in body


@virtual_time
async def test_a_quick_answer_gets_none() -> None:
    emotions = Emotions()
    await work(emotions, takes_s=AFTER_S / 2)
    assert emotions.calls == []


@virtual_time
async def test_a_moments_failure_is_tried_again() -> None:
    emotions = Emotions()
    emotions.statuses = {"reply": [500], "recall": [500, 500]}
    await work(emotions, takes_s=30)
    assert emotions.names == ["reply", "reply", "recall", "recall", "recall"]


@virtual_time
async def test_one_that_dingtalk_refuses_is_not_undone() -> None:
    emotions = Emotions()
    emotions.statuses = {"reply": [400]}
    await work(emotions, takes_s=5)
    assert emotions.names == ["reply"]


@virtual_time
async def test_one_that_may_be_there_is_undone() -> None:
    emotions = Emotions()
    emotions.statuses = {"reply": [500] * 4}
    await work(emotions, takes_s=60)
    assert emotions.names[-1] == "recall"


@virtual_time
async def test_nothing_waits_for_it() -> None:
    emotions, loop = Emotions(), asyncio.get_running_loop()
    emotions.statuses = {"reply": [500] * 4}
    async with reacting(emotions) as reaction:
        begun_s = loop.time()
        with reaction.shown(MESSAGE):
            await asyncio.sleep(AFTER_S + 0.1)
        assert loop.time() - begun_s < AFTER_S + 0.2
