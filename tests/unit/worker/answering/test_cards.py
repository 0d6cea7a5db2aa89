"""A card's way: offered by a skill, pressed by somebody, decided once, and shown to everybody."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import fakeredis
import pytest

from dingda.shared.dingtalk.card import ActionButton, Card, CardContent, out_track_id_of
from dingda.shared.dingtalk.card_action import CardAction
from dingda.shared.dingtalk.notification import Notification
from dingda.shared.dingtalk.reply import ActionCard
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.cards import CardLedger, CardState
from dingda.shared.ledger.states import Outcome
from dingda.shared.queue import JobQueue
from dingda.skill import ActionContext, RefusalError, Services, Skill
from dingda.testing import MemoryCache, People
from dingda.worker.answering.cards import CardDisplay, RobotCards
from dingda.worker.answering.hook_caller import HookCaller, HookResult
from dingda.worker.delivery.card_api import CardOutcome, NewCard, Space
from dingda.worker.delivery.outcome import Delivered, FailureKind, Retry
from dingda.worker.engine.threads import SkillThreads
from dingda.worker.maintenance.card_keeper import show_due_cards
from dingda.worker.services.address_book import Person
from dingda.worker.services.database import Databases
from dingda.worker.services.http_client import Http

ROBOT = "dingrobot"
PEOPLE = People(Person("0001", "张三"), Person("0002", "李四"))


@dataclass(frozen=True)
class Decide:
    day: str
    approved: bool


class Shown:
    """DingTalk's side: the variables of each card, as everybody sees them."""

    def __init__(self) -> None:
        self.cards: dict[str, dict[str, str]] = {}
        self.created = 0
        self.notices: list[str] = []
        self.updates = 0
        self.script: list[CardOutcome] = []

    async def create(self, card: NewCard) -> CardOutcome:
        self.created += 1
        self.cards.setdefault(card.out_track_id, dict(card.params))
        return Delivered()

    async def update(self, out_track_id: str, params: Any, *, private: Any = None) -> CardOutcome:
        if private:
            self.notices += private
            return Delivered()
        self.updates += 1
        if self.script and not isinstance(outcome := self.script.pop(0), Delivered):
            return outcome
        self.cards[out_track_id] |= params
        return Delivered()


class Desk:
    """A robot with one skill, its cards, and whoever presses them."""

    def __init__(self, redis: Any, threads: SkillThreads, services: Services) -> None:
        self.redis = redis
        self.ledger = CardLedger(redis, JobQueue.create("dingda", skill_timeout_s=30))
        self.shown = Shown()
        self.calls: list[tuple[Decide, str, str]] = []
        self.failures: list[Exception] = []
        self.skill = Skill("leave", summary="请假")
        self.skill.action(Decide)(self.decide)
        self.cards = self.robot(CardDisplay(self.shown, "t.schema", ""))  # type: ignore[arg-type]
        self.caller = HookCaller(
            skills=[self.skill],
            services=services,
            threads=threads,
            skill_timeout_s=30,
            cards=self.cards,
        )

    def robot(self, display: CardDisplay | None, *, code: str = ROBOT) -> RobotCards:
        return RobotCards(
            self.ledger,
            robot_code=code,
            secrets=("secret", "older"),
            skills=[self.skill],
            display=display,
            address_book=PEOPLE,
        )

    async def decide(self, decision: Decide, ctx: ActionContext) -> str:
        self.calls.append((decision, ctx.staff_id, ctx.idempotency_key))
        if self.failures:
            raise self.failures.pop()
        return f"{decision.day}可以休息"

    async def offer(self, key: str = "m1", **fields: Any) -> str:
        """Show a card that lets 李四 decide, and return its id."""
        card = Card("请假", "张三周五请假", BUTTONS, **{"allow": ("0002",), **fields})
        new = await self.cards.prepare(
            card.content(), key=key, space=Space(staff_id="0002"), staff_id=""
        )
        assert isinstance(new, NewCard)
        await self.cards.create(new)
        return new.out_track_id

    def button(self, card: str, number: int = 1) -> dict[str, Any]:
        """What a button carries, as it was when the card was created."""
        buttons = json.loads(self.shown.cards[card]["buttons"])
        carried: dict[str, Any] = buttons[number - 1]["event"]["params"]
        return carried

    async def press(
        self, card: str, carried: dict[str, Any], *, by: str = "0002", press: str = "p1"
    ) -> HookResult | None:
        """Press a button; None where nothing takes it."""
        action = CardAction((carried["actionId"],), by, carried["params"], card)
        notification = Notification(ROBOT, action)
        for found in self.caller.find(notification):
            return await self.caller.call(found, notification, idempotency_key=press, timeout_s=60)
        return None

    async def let_pass(self, card: str, ms: int) -> None:
        """Make it later, for this card."""
        record = f"dingda:card:{card}"
        await self.redis.hincrby(record, "expires_ms", -ms)
        if await self.redis.hget(record, "decided_ms"):
            await self.redis.hincrby(record, "decided_ms", -ms)
        await self.redis.zincrby("dingda:cards", -ms, card)

    async def keep(self) -> None:
        """What every worker does every few seconds."""
        await show_due_cards(self.ledger, self.cards.show)


BUTTONS = (
    ActionButton("同意", Decide("周五", approved=True)),
    ActionButton("驳回", Decide("周五", approved=False)),
)


@asynccontextmanager
async def a_desk() -> AsyncIterator[Desk]:
    redis = fakeredis.FakeAsyncRedis(decode_responses=True)
    with SkillThreads(1) as threads:
        services = Services(
            http=Http(None),  # type: ignore[arg-type] # nothing is called
            cache=MemoryCache(),
            databases=Databases(),
            dingtalk=PEOPLE,
        )
        yield Desk(redis, threads, services)
    await redis.aclose()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with a_desk() as desk:
        yield desk


async def test_the_first_press_decides_and_everybody_sees_who_decided(desk: Desk) -> None:
    card = await desk.offer()

    result = await desk.press(card, desk.button(card))

    assert result is not None
    assert result.completion.outcome is Outcome.ANSWERED
    assert [call[:2] for call in desk.calls] == [(Decide("周五", approved=True), "0002")]
    shown = desk.shown.cards[card]
    assert (shown["status"], shown["buttons"]) == ("decided", "[]")
    assert shown["result"].startswith("李四：同意（")
    assert shown["result"].endswith("周五可以休息")


async def test_a_second_press_changes_nothing(desk: Desk) -> None:
    card = await desk.offer()
    yes, no = desk.button(card, 1), desk.button(card, 2)
    await desk.press(card, yes)
    before = desk.shown.cards[card]["result"]

    result = await desk.press(card, no, press="p2")

    assert result is not None
    assert result.completion.outcome is Outcome.DECLINED
    assert len(desk.calls) == 1
    assert desk.shown.cards[card]["result"] == before
    assert desk.shown.updates == 1


async def test_somebody_who_may_not_press_is_told_so_once_and_decides_nothing(desk: Desk) -> None:
    card = await desk.offer()
    yes = desk.button(card)

    for number in range(3):
        result = await desk.press(card, yes, by="0003", press=f"p{number}")
        assert result is not None
        assert result.completion.outcome is Outcome.DECLINED

    assert desk.calls == []
    assert desk.shown.notices == ["0003"]
    assert desk.shown.cards[card]["status"] == "open"


async def test_what_a_button_of_another_card_carries_does_not_count_here(desk: Desk) -> None:
    card, another = await desk.offer("m1"), await desk.offer("m2")

    result = await desk.press(card, desk.button(another))

    assert result is not None
    assert result.completion.outcome is Outcome.DECLINED
    assert desk.calls == []


@pytest.mark.parametrize("change", ["action", "number", "signature"])
async def test_what_a_button_carries_can_not_be_changed(change: str, desk: Desk) -> None:
    card = await desk.offer()
    carried = desk.button(card, 2)
    forged = {"action": desk.button(card, 1)["params"]["action"], "number": "1", "signature": "x"}
    carried["params"][change] = forged[change]

    await desk.press(card, carried)

    assert desk.calls == []
    assert desk.shown.cards[card]["status"] == "open"


async def test_a_card_of_another_robot_is_not_pressed_by_way_of_this_one(desk: Desk) -> None:
    other = desk.robot(CardDisplay(desk.shown, "t.schema", ""), code="another")  # type: ignore[arg-type]
    content = Card("请假", "请假", BUTTONS, allow=("0002",)).content()
    new = await other.prepare(content, key="m1", space=Space("", "0002"), staff_id="")
    assert isinstance(new, NewCard)
    await other.create(new)

    await desk.press(new.out_track_id, desk.button(new.out_track_id))

    assert desk.calls == []


async def test_a_card_that_an_older_secret_signed_still_counts(desk: Desk) -> None:
    card = await desk.offer()
    carried = desk.button(card)
    desk.cards._secrets = ("newest", "secret")

    await desk.press(card, carried)

    assert len(desk.calls) == 1


async def test_a_repeated_creation_is_one_card_and_shows_what_was_stored_first(desk: Desk) -> None:
    card = await desk.offer()

    assert await desk.offer(expires_s=60) == card
    assert len(desk.shown.cards) == 1


async def test_another_attempt_of_the_same_press_goes_on_with_its_decision(desk: Desk) -> None:
    card = await desk.offer()
    desk.failures = [RuntimeError("no beans")]
    yes = desk.button(card)
    first = await desk.press(card, yes)
    assert first is not None
    assert first.has_failed

    second = await desk.press(card, yes)

    assert second is not None
    assert second.completion.outcome is Outcome.ANSWERED
    assert len({key for _, _, key in desk.calls}) == 1
    assert desk.shown.cards[card]["result"].endswith("周五可以休息")


async def test_a_refusal_of_the_skill_is_what_the_card_shows(desk: Desk) -> None:
    card = await desk.offer()
    desk.failures = [RefusalError("周五有评审")]

    result = await desk.press(card, desk.button(card))

    assert result is not None
    assert result.completion.outcome is Outcome.DECLINED
    assert desk.shown.cards[card]["result"].endswith("周五有评审")


async def test_a_card_says_that_its_time_is_over_and_takes_no_press_then(desk: Desk) -> None:
    card = await desk.offer(expires_s=60)
    yes = desk.button(card)
    await desk.let_pass(card, 61_000)

    result = await desk.press(card, yes)
    await desk.keep()
    await desk.keep()

    assert result is not None
    assert result.completion.outcome is Outcome.DECLINED
    assert desk.calls == []
    shown = desk.shown.cards[card]
    assert (shown["status"], shown["buttons"]) == ("expired", "[]")
    assert "已过期" in shown["result"]
    assert desk.shown.updates == 1


async def test_a_card_whose_time_is_not_over_is_left_alone(desk: Desk) -> None:
    card = await desk.offer(expires_s=3600)
    await desk.let_pass(card, 60_000)

    await desk.keep()

    assert desk.shown.updates == 0


async def test_what_could_not_be_shown_is_shown_later_by_any_worker(desk: Desk) -> None:
    card = await desk.offer()
    desk.shown.script = [Retry(FailureKind.QPS, "card: QpsLimit")]
    await desk.press(card, desk.button(card))
    assert desk.shown.cards[card]["status"] == "open"

    await desk.let_pass(card, 15_000)
    await desk.keep()
    await desk.keep()

    assert desk.shown.cards[card]["status"] == "decided"
    assert desk.shown.updates == 2


async def test_a_card_says_that_it_is_worked_on_and_later_that_it_failed(desk: Desk) -> None:
    card = await desk.offer()
    desk.failures = [RuntimeError("no beans")]
    await desk.press(card, desk.button(card))

    await desk.let_pass(card, 25_000)
    await desk.keep()
    assert "李四选择了「同意」，正在处理" in desk.shown.cards[card]["result"]

    await desk.let_pass(card, 31 * 60_000)
    await desk.keep()
    assert "没有处理成功" in desk.shown.cards[card]["result"]


@pytest.mark.parametrize("field", ["content", "expires_ms", "state"])
async def test_a_card_whose_record_is_spoilt_keeps_no_other_from_being_shown(
    field: str, desk: Desk
) -> None:
    spoilt, card = await desk.offer("m1", expires_s=60), await desk.offer("m2", expires_s=60)
    yes = desk.button(spoilt)
    for each in (spoilt, card):
        await desk.let_pass(each, 61_000)
    await desk.redis.hset(f"dingda:card:{spoilt}", field, "nonsense")

    await desk.keep()

    assert desk.shown.cards[card]["status"] == "expired"
    await desk.press(spoilt, yes)
    assert desk.calls == []


async def test_a_foreign_value_in_the_place_of_a_card_is_passed_over(desk: Desk) -> None:
    spoilt, card = await desk.offer("m1", expires_s=60), await desk.offer("m2", expires_s=60)
    await desk.redis.delete(f"dingda:card:{spoilt}")
    await desk.redis.set(f"dingda:card:{spoilt}", "nonsense")
    await desk.redis.zadd("dingda:cards", {spoilt: 1, card: 1})
    await desk.redis.hset(f"dingda:card:{card}", "expires_ms", 1)

    await desk.keep()

    assert desk.shown.cards[card]["status"] == "expired"


async def test_without_a_template_a_card_is_a_message_whose_buttons_name_it(desk: Desk) -> None:
    cards = desk.robot(None)
    content = Card("请假", "张三周五请假", BUTTONS, allow=("0002",)).content()

    message = await cards.prepare(content, key="m1", space=Space("", "0002"), staff_id="")

    assert isinstance(message, ActionCard)
    assert out_track_id_of("m1") in message.buttons[0].url
    record = await desk.ledger.find(out_track_id_of("m1"))
    assert record is not None
    assert record.state is CardState.OPEN


async def test_a_cards_picture_is_a_variable_and_stays_when_it_is_decided(desk: Desk) -> None:
    card = await desk.offer(picture="@lALplot")
    assert desk.shown.cards[card]["picture"] == "@lALplot"
    await desk.press(card, desk.button(card))
    assert desk.shown.cards[card]["picture"] == "@lALplot"


async def test_without_a_template_a_cards_picture_is_below_its_text(desk: Desk) -> None:
    content = Card("请假", "张三请假", BUTTONS, allow=("0002",), picture="@lALplot").content()
    space = Space("", "0002")
    message = await desk.robot(None).prepare(content, key="m1", space=space, staff_id="")
    assert isinstance(message, ActionCard)
    assert message.text == "张三请假\n\n![](@lALplot)"


def test_a_card_without_a_picture_may_be_stored_by_an_older_worker() -> None:
    fields = Card("请假", "张三请假", BUTTONS).content().to_fields()
    assert CardContent.of(fields | {"picture": "@lALplot"}).picture == "@lALplot"
    del fields["picture"]
    assert CardContent.of(fields).picture == ""


def test_what_is_no_picture_is_refused_when_the_card_is_made() -> None:
    with pytest.raises(InvalidReplyError, match=r"^card\.picture"):
        Card("请假", "张三请假", BUTTONS, picture="plot.png")


async def test_a_card_for_a_group_must_name_who_may_press(desk: Desk) -> None:
    content = replace(Card("请假", "请假", BUTTONS).content(), allow=())
    with pytest.raises(InvalidReplyError, match=r"card\.allow"):
        await desk.cards.prepare(content, key="m1", space=Space("cidAAA=="), staff_id="")


async def test_a_card_for_one_person_lets_that_person_press(desk: Desk) -> None:
    content = Card("请假", "请假", BUTTONS).content()
    await desk.cards.prepare(content, key="m1", space=Space("", "0002"), staff_id="0002")

    record = await desk.ledger.find(out_track_id_of("m1"))

    assert record is not None
    assert record.content.allow == ("0002",)


async def test_a_button_that_no_skill_takes_is_a_mistake_of_its_author(desk: Desk) -> None:
    @dataclass(frozen=True)
    class Unknown:
        pass

    content = Card("请假", "请假", (ActionButton("好", Unknown()),), allow=("1",)).content()
    with pytest.raises(InvalidReplyError, match=r"@skill\.action"):
        await desk.cards.prepare(content, key="m1", space=Space("", "1"), staff_id="")
