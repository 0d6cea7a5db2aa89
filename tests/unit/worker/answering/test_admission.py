"""Places of a skill: its full width for one group, some for the others, and none lost."""

import asyncio
from contextlib import suppress

import pytest

from dingda.shared.ledger.states import Lease
from dingda.shared.texts import TOO_MANY_ASK
from dingda.worker.answering.admission import BLOCKING_PLACES, Admission, NoPlaceError, Places
from tests.support.worker_harness import CountingSkill, open_worker

GROUP, OTHER, THIRD = "cidGROUP==", "cidOTHER==", "cidTHIRD=="
QUOTED_QUESTION = {"msgType": "text", "content": {"text": "问"}}


class Hall:
    """Places, and who is in them until told to go."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.entered: list[str] = []
        self._gone: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, *names: str, conversation: str, within_s: float = 30.0) -> None:
        for name in names:
            self._gone[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._stay(name, conversation, within_s))
        await asyncio.sleep(0)

    async def go(self, *names: str) -> None:
        for name in names:
            self._gone[name].set()
            await self._tasks[name]
        await asyncio.sleep(0)

    async def give_up(self, name: str) -> None:
        self._tasks[name].cancel()
        with suppress(asyncio.CancelledError):
            await self._tasks[name]

    async def _stay(self, name: str, conversation: str, within_s: float) -> None:
        async with self.places.place(conversation, within_s=within_s):
            self.entered.append(name)
            await self._gone[name].wait()


def hall(places: int, *, waiting: int = 100) -> Hall:
    return Hall(Places(places, waiting=waiting))


def named(letter: str, count: int) -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


async def test_one_conversation_has_the_full_width_and_no_more() -> None:
    here = hall(100)
    await here.come(*named("a", 120), conversation=GROUP)
    assert here.entered == named("a", 100)


@pytest.mark.parametrize(("places", "reserve"), [(100, 10), (4, 1), (2, 1), (1, 1)])
async def test_others_have_a_reserve_beside_it(places: int, reserve: int) -> None:
    here = hall(places)
    await here.come(*named("a", places + 5), conversation=GROUP)
    await here.come(*named("b", reserve + 5), conversation=OTHER)
    assert here.entered == named("a", places) + named("b", reserve)


async def test_a_free_place_goes_to_whoever_came_first() -> None:
    here = hall(1)
    await here.come("a0", "a1", "a2", conversation=GROUP)
    await here.go("a0")
    assert here.entered == ["a0", "a1"]


async def test_a_free_place_goes_to_the_conversation_that_holds_the_fewest() -> None:
    here = hall(10)
    await here.come(*named("a", 20), conversation=GROUP)
    await here.come(*named("b", 3), conversation=OTHER)
    await here.come("c0", conversation=THIRD)
    await here.go("a0")
    assert here.entered[11:] == ["c0"]
    await here.go("a1")
    assert here.entered[12:] == ["b1"]


async def test_nobody_starves_a_busy_conversation() -> None:
    here = hall(1)
    await here.come("a0", "a1", conversation=GROUP)
    await here.come("b0", "b1", conversation=OTHER)
    await here.go("a0")
    await here.come("c0", conversation=THIRD)
    await here.go("b0")
    assert here.entered == ["a0", "b0", "a1", "b1"]


async def test_a_wait_that_is_too_long_raises_and_leaves_no_trace() -> None:
    here = hall(1)
    await here.come("a0", conversation=GROUP)
    with pytest.raises(NoPlaceError, match="no place within"):
        async with here.places.place(GROUP, within_s=0.01):
            pass
    await here.go("a0")
    await here.come("a1", conversation=GROUP)
    assert here.entered == ["a0", "a1"]


async def test_a_cancelled_wait_takes_no_place() -> None:
    here = hall(1)
    await here.come("a0", "a1", "a2", conversation=GROUP)
    await here.give_up("a1")
    await here.go("a0")
    assert here.entered == ["a0", "a2"]


async def test_a_wait_that_is_cancelled_as_its_place_comes_passes_the_place_on() -> None:
    here = hall(1)
    async with here.places.place(GROUP, within_s=1):
        await here.come("a1", "a2", conversation=GROUP)
    await here.give_up("a1")  # it has been given the place, and has not run since
    await asyncio.sleep(0)
    assert here.entered == ["a2"]


async def test_a_skill_that_raises_gives_its_place_back() -> None:
    places = Places(1, waiting=0)
    for _ in range(3):
        with suppress(ValueError):
            async with places.place(GROUP, within_s=0):
                raise ValueError


async def test_it_is_full_when_so_many_wait() -> None:
    here = hall(1, waiting=2)
    await here.come("a0", "a1", conversation=GROUP)
    assert not here.places.is_full
    await here.come("a2", conversation=GROUP)
    assert here.places.is_full
    with pytest.raises(NoPlaceError, match="wait already"):
        async with here.places.place(GROUP, within_s=30):
            pass


async def test_conversations_that_nobody_is_here_from_are_forgotten() -> None:
    places = Places(2, waiting=10)
    for number in range(50):
        async with places.place(f"cid{number}", within_s=1):
            pass
    assert (len(places._held), len(places._queues), len(places._waiting_since)) == (0, 0, 0)


def test_each_skill_has_places_of_its_own_and_blocking_ones_fewer_than_threads() -> None:
    admission = Admission(100)
    assert admission.places_of("a", blocks=False) is admission.places_of("a", blocks=False)
    assert admission.places_of("a", blocks=False) is not admission.places_of("b", blocks=False)
    assert admission.places_of("a", blocks=True)._places == BLOCKING_PLACES
    assert Admission(4).places_of("a", blocks=True)._places == 4


@pytest.mark.parametrize("places", [1, 4, 100, 1000])
def test_a_worker_holds_more_than_all_skills_can_fill(places: int) -> None:
    admission = Admission(places, skills=5)
    filled = sum(admission.places_of(str(n), blocks=False).capacity for n in range(5))
    assert admission.capacity == filled + places


async def test_what_rests_comes_back_one_after_the_other() -> None:
    admission = Admission()
    pauses_ms = [admission.pause_ms() for _ in range(401)]
    assert pauses_ms[0] >= 999
    assert 1900 < pauses_ms[-1] - pauses_ms[0] <= 2000


# In the answerer ----------------------------------------------------------------------------


async def test_waiting_for_a_place_uses_up_nothing_of_the_skills_time() -> None:
    skill = CountingSkill(takes_s=0.6)
    async with open_worker(skill.tell, timeout_s=1.1, places=1) as here:
        messages = [await here.accept(msgId=each, senderId=each) for each in "abc"]
        await asyncio.gather(*map(here.answer, messages))
        assert sorted(here.said) == ["第1次", "第2次", "第3次"]


async def test_a_message_that_waits_too_long_for_a_place_is_declined_with_a_sentence() -> None:
    skill = CountingSkill(takes_s=30)
    async with open_worker(skill.tell, timeout_s=0.1, places=1) as here:
        messages = [await here.accept(msgId=str(n), senderId=str(n)) for n in range(5)]
        await asyncio.gather(*map(here.answer, messages))
        states = [await here.state(message) for message in messages]
        assert sum(state == "refused: busy: no place within 0 s" for state in states) >= 2
        assert sum(TOO_MANY_ASK[-8:] in each for each in here.said) >= 2


async def test_a_message_of_a_full_skill_rests_in_the_ledger() -> None:
    skill = CountingSkill(takes_s=30)
    async with open_worker(skill.tell, places=1, waiting=1) as here:
        first, second, third = [await here.accept(msgId=each, senderId=each) for each in "abc"]
        answering = [asyncio.create_task(here.answer(each)) for each in (first, second)]
        await skill.begun.wait()
        await asyncio.sleep(0.05)
        await here.answer(third)
        assert await here.state(third) == "accepted"
        assert (await here.stored(third))["leases"] == "1"
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


async def test_a_quoted_question_for_a_full_skill_rests_in_the_ledger_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Places, "is_full", True)
    async with open_worker(lambda: "好") as here:
        message = await here.asked(" ", repliedMsg=QUOTED_QUESTION)
        assert await here.state(message) == "accepted"
        assert here.said == []


async def test_a_quoted_question_waits_for_what_its_sender_asked_before() -> None:
    async with open_worker(lambda: "好") as here:
        first = await here.accept(msgId="a")
        assert isinstance(await here.ledger.lease(first.id), Lease)
        second = await here.asked(" ", msgId="b", repliedMsg=QUOTED_QUESTION)
        assert (await here.stored(second))["turn"] == "waiting"
        assert here.said == []


async def test_a_message_that_rested_is_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_worker(lambda: "好") as here:
        message = await here.accept()
        with monkeypatch.context() as crowded:
            crowded.setattr(Places, "is_full", True)
            await here.answer(message)
        assert await here.state(message) == "accepted"
        await here.rest(message)
        lease = await here.ledger.lease(message.id)
        assert isinstance(lease, Lease)
        assert (lease.was_put_back, lease.delivery_attempt) == (True, 1)


async def test_many_replies_of_one_skill_leave_others_a_place_on_the_wire() -> None:
    posts = Hall(Admission(10).posts)
    await posts.come(*named("weather", 40), conversation="weather")
    assert posts.places.is_busy
    await posts.come("help", conversation="help")
    assert posts.entered[-1] == "help"
