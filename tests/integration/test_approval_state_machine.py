"""Approvals on a real server under every order of events: presses, deaths, lost calls and time."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from redis.asyncio import Redis

from dingda.shared.dingtalk.card import ActionButton, Card, out_track_id_of
from dingda.shared.ledger.cards import CardLedger, CardRecord
from dingda.shared.queue import JobQueue
from dingda.skill import RefusalError, Skill
from dingda.worker.answering.cards import CardDisplay, Press, RobotCards
from dingda.worker.delivery.card_api import CardOutcome, NewCard, Space
from dingda.worker.delivery.outcome import Delivered, FailureKind, Retry
from dingda.worker.maintenance.card_keeper import show_due_cards
from tests.support.processes import valkey

T = TypeVar("T")
CARDS = ["m1", "m2"]
ALLOWED, STRANGER = ["0001", "0002"], "0003"
LONG_MS = 48 * 3_600_000
_ROUNDS = 12
END = ["dies before it calls", "dies before it concludes", "concludes"]


@dataclass(frozen=True)
class Decide:
    approved: bool


class DingTalk:
    """What everybody sees of each card, and the states that it went through."""

    def __init__(self) -> None:
        self.seen: dict[str, list[str]] = defaultdict(list)
        self.params: dict[str, dict[str, str]] = {}
        self.is_away = False

    async def create(self, card: NewCard) -> CardOutcome:
        if card.out_track_id not in self.params:
            self._show(card.out_track_id, dict(card.params))
        return Delivered()

    async def update(self, out_track_id: str, params: Any, *, private: Any = None) -> CardOutcome:
        if self.is_away:
            return Retry(FailureKind.QPS, "card: QpsLimit")
        if not private:
            self._show(out_track_id, {**self.params[out_track_id], **params})
        return Delivered()

    def _show(self, out_track_id: str, params: dict[str, str]) -> None:
        self.params[out_track_id] = params
        self.seen[out_track_id].append(params["status"])


class ApprovalMachine(RuleBasedStateMachine):
    """Workers that do anything at any time, and a model of what must never be."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis = Redis.from_url(self.url, decode_responses=True)
        self.run(self.redis.flushall())
        self.ledger = CardLedger(self.redis, JobQueue.create("dingda", skill_timeout_s=30))
        self.dingtalk = DingTalk()
        skill = Skill("approval", summary="审批")
        skill.action(Decide)(lambda: None)
        self.cards = RobotCards(
            self.ledger,
            robot_code="dingrobot",
            secrets=("secret",),
            skills=[skill],
            display=CardDisplay(self.dingtalk, "t.schema", ""),  # type: ignore[arg-type]
            address_book=None,
        )
        self.effects = defaultdict[str, set[tuple[str, str, int]]](set)
        """Of each card: the presses for which the skill was called, with who and which button."""
        self.left: dict[str, Press] = {}
        """The presses whose worker died, which another will take again."""
        self.presses = 0

    def run(self, step: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await step

        return self.runner.run(awaited())

    def record(self, key: str) -> CardRecord | None:
        return self.run(self.ledger.find(out_track_id_of(key)))

    # What may happen ---------------------------------------------------------------------------

    @rule(key=st.sampled_from(CARDS), expires_s=st.sampled_from([60.0, 3600.0]))
    def a_card_is_shown(self, key: str, expires_s: float) -> None:
        buttons = tuple(ActionButton(str(each), Decide(each)) for each in (True, False))
        content = Card("审批", "审批", buttons, tuple(ALLOWED), expires_s).content()
        prepared = self.run(self.cards.prepare(content, key=key, space=Space("cid"), staff_id=""))
        assert isinstance(prepared, NewCard)
        self.run(self.cards.create(prepared))

    @rule(
        key=st.sampled_from(CARDS),
        by=st.sampled_from([*ALLOWED, STRANGER]),
        number=st.sampled_from([1, 2]),
        end=st.sampled_from(END),
    )
    def somebody_presses(self, key: str, by: str, number: int, end: str) -> None:
        self.presses += 1
        self.handle(Press(f"p{self.presses}", out_track_id_of(key), by, number), end)

    @rule(end=st.sampled_from(END), data=st.data())
    def another_worker_takes_a_press_whose_worker_died(self, end: str, data: Any) -> None:
        if self.left:
            self.handle(self.left[data.draw(st.sampled_from(sorted(self.left)))], end)

    @rule(ms=st.sampled_from([5_000, 61_000, 31 * 60_000]))
    def time_passes(self, ms: int) -> None:
        for key in CARDS:
            self.run(self.let_pass(out_track_id_of(key), ms))

    @rule()
    def a_worker_looks_for_what_is_to_be_shown(self) -> None:
        self.run(show_due_cards(self.ledger, self.cards.show))

    @rule()
    def a_worker_dies_when_it_has_found_what_is_to_be_shown(self) -> None:
        taken = self.run(self.ledger.take_due())
        assert self.run(self.ledger.take_due()) == []  # nobody else has them meanwhile
        assert len({card.out_track_id for card in taken}) == len(taken)

    @rule(is_away=st.booleans())
    def dingtalk_is_away_or_back(self, is_away: bool) -> None:  # noqa: FBT001 - drawn
        self.dingtalk.is_away = is_away

    # What must never be ------------------------------------------------------------------------

    @invariant()
    def each_card_decides_once(self) -> None:
        for key in CARDS:
            effects = self.effects[out_track_id_of(key)]
            assert len(effects) <= 1
            if effects:
                record = self.record(key)
                assert record is not None
                ((press, by, number),) = effects
                assert (record.state, record.press, record.by) == ("decided", press, by)
                assert record.choice == number - 1
                assert by in ALLOWED

    @invariant()
    def what_is_over_is_never_shown_as_open_again(self) -> None:
        for states in self.dingtalk.seen.values():
            over = [state for state in states if state != "open"]
            assert len(set(over)) <= 1
            assert states == (len(states) - len(over)) * ["open"] + over

    def teardown(self) -> None:
        """In the end, every card shows what it is, and nothing is left to be shown."""
        self.dingtalk.is_away = False
        for press in list(self.left.values()):
            self.handle(press, "concludes")
        for _ in range(_ROUNDS):
            for key in CARDS:
                self.run(self.let_pass(out_track_id_of(key), LONG_MS))
            self.run(show_due_cards(self.ledger, self.cards.show))
        for key in CARDS:
            if record := self.record(key):
                assert record.state != "open"
                assert self.dingtalk.params[record.out_track_id]["status"] == record.state
        assert self.run(self.redis.zcard("dingda:cards")) == 0
        self.run(self.redis.aclose())
        self.runner.close()

    # ---------------------------------------------------------------------------------------------

    def handle(self, press: Press, end: str) -> None:
        """What a worker does with a press, as far as it lives."""
        try:
            allowed = self.run(self.cards.check(press))
            self.run(self.cards.decide(allowed, press))
        except RefusalError:
            self.left.pop(press.id, None)
            self.run(self.cards.conclude(press, "refused"))
            return
        self.left[press.id] = press
        if end != END[0]:
            self.effects[press.out_track_id].add((press.id, press.by, press.number))
        if end == END[2]:
            self.run(self.cards.conclude(press, "done"))
            del self.left[press.id]

    async def let_pass(self, out_track_id: str, ms: int) -> None:
        record = f"dingda:card:{out_track_id}"
        for field in ("expires_ms", "decided_ms"):
            if await self.redis.hexists(record, field):
                await self.redis.hincrby(record, field, -ms)
        if await self.redis.zscore("dingda:cards", out_track_id) is not None:
            await self.redis.zincrby("dingda:cards", -ms, out_track_id)


@pytest.mark.timeout(120)
def test_an_approval_decides_once_and_ends_visibly_whatever_happens(tmp_path: Path) -> None:
    with valkey(tmp_path) as server:
        machine = type("Machine", (ApprovalMachine,), {"url": server.url})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=40,
                stateful_step_count=30,
                suppress_health_check=list(HealthCheck),
            ),
        )
