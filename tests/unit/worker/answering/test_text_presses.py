"""Buttons of messages, where there is no template for cards: each sends a text that decides."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import fakeredis
import pytest

from dingda.shared.dingtalk.card import ActionButton, Card
from dingda.shared.dingtalk.message import hash_of
from dingda.shared.dingtalk.reply import ActionCard, Text
from dingda.shared.ledger.cards import CardLedger
from dingda.shared.ledger.states import Outcome
from dingda.shared.queue import JobQueue
from dingda.shared.texts import CARD_GONE, CARD_NOT_YOURS, CARD_TAKEN
from dingda.skill import ActionContext, Services, Skill
from dingda.testing import MemoryCache
from dingda.worker.answering.cards import RobotCards
from dingda.worker.answering.responder import Responder
from dingda.worker.answering.response import Response
from dingda.worker.answering.routing import Router
from dingda.worker.answering.text_presses import TextPresses
from dingda.worker.delivery.card_api import Space
from dingda.worker.engine.threads import SkillThreads
from dingda.worker.services.database import Databases
from dingda.worker.services.http_client import Http
from tests.support.builders import a_message


@dataclass(frozen=True)
class Decide:
    approved: bool


YES, NO = Decide(approved=True), Decide(approved=False)


class Chat:
    """A skill that offers, and whoever clicks."""

    def __init__(self, redis: Any, threads: SkillThreads) -> None:
        self.calls: list[tuple[Decide, str]] = []
        self.failures: list[Exception] = []
        skill = Skill("leave", summary="请假")
        skill.action(Decide)(self.decide)
        self.cards = RobotCards(
            CardLedger(redis, JobQueue.create("dingda", skill_timeout_s=30)),
            robot_code="dingrobot",
            secrets=(),
            skills=[skill],
            display=None,
            address_book=None,
        )
        self.responder = Responder(
            router=Router([skill]),
            services=Services(
                http=Http(None),  # type: ignore[arg-type] # nothing is called
                cache=MemoryCache(),
                databases=Databases(),
                dingtalk=None,
            ),
            threads=threads,
            skill_timeout_s=30,
            unmatched="empty",
            presses=TextPresses(self.cards, threads),
        )
        self.said = 0

    async def decide(self, decision: Decide, ctx: ActionContext) -> str:
        self.calls.append((decision, ctx.staff_id))
        if self.failures:
            raise self.failures.pop()
        return "好的"

    async def offer(self) -> list[str]:
        """Offer 0002 to decide; the texts that the buttons send."""
        buttons = (ActionButton("同意", YES), ActionButton("驳回", NO))
        content = Card("请假", "张三周五请假", buttons, ("0002",)).content()
        shown = await self.cards.prepare(content, key="m1", space=Space("cid"), staff_id="")
        assert isinstance(shown, ActionCard)
        return [parse_qs(urlsplit(button.url).query)["content"][0] for button in shown.buttons]

    async def say(self, text: str, *, by: str = "0002") -> Response | None:
        self.said += 1
        message = a_message(text, msgId=f"said{self.said}", senderStaffId=by)
        return await self.responder.respond(message, self.responder.route(message), timeout_s=60)


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    redis = fakeredis.FakeAsyncRedis(decode_responses=True)
    with SkillThreads(1) as threads:
        yield Chat(redis, threads)
    await redis.aclose()


async def test_a_button_decides_by_the_text_that_it_sends(chat: Chat) -> None:
    yes, _ = await chat.offer()

    response = await chat.say(yes)

    assert response is not None
    assert response.completion.outcome is Outcome.ANSWERED
    assert isinstance(response.reply, Text)
    assert response.reply.content.startswith("0002：同意（")
    assert chat.calls == [(YES, "0002")]


async def test_whoever_clicks_later_hears_that_it_is_decided(chat: Chat) -> None:
    yes, no = await chat.offer()
    await chat.say(yes)

    response = await chat.say(no)

    assert response is not None
    assert CARD_TAKEN in response.reply.to_payload()["text"]["content"]
    assert len(chat.calls) == 1


async def test_a_text_that_was_copied_decides_nothing_for_somebody_else(chat: Chat) -> None:
    yes, _ = await chat.offer()

    response = await chat.say(yes, by="0003")

    assert response is not None
    assert CARD_NOT_YOURS in response.reply.to_payload()["text"]["content"]
    assert chat.calls == []


async def test_whoever_decided_clicks_again_where_the_skill_failed(chat: Chat) -> None:
    yes, _ = await chat.offer()
    chat.failures = [RuntimeError("no beans")]
    failed = await chat.say(yes)
    assert failed is not None
    assert failed.completion.outcome is Outcome.DEAD

    response = await chat.say(yes)

    assert response is not None
    assert response.completion.outcome is Outcome.ANSWERED


async def test_whoever_decided_can_not_decide_otherwise_where_the_skill_has_not_ended(
    chat: Chat,
) -> None:
    yes, no = await chat.offer()
    chat.failures = [RuntimeError("no beans")]
    await chat.say(yes)

    response = await chat.say(no)

    assert response is not None
    assert CARD_TAKEN in response.reply.to_payload()["text"]["content"]
    assert chat.calls == [(YES, "0002")]


async def test_a_text_that_names_no_card_is_told_so(chat: Chat) -> None:
    response = await chat.say(f"同意 #dd-{'a' * 24}-1")
    assert response is not None
    assert CARD_GONE in response.reply.to_payload()["text"]["content"]


@pytest.mark.parametrize("text", ["同意", "#dd-1", "天气 #dd-x", f"#dd-{hash_of('x')}"])
async def test_any_other_text_is_no_press(text: str, chat: Chat) -> None:
    assert await chat.say(text) is None
