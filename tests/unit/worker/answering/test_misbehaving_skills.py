"""Whatever a skill raises, returns or does to its task: the sender hears a sentence."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NoReturn

import anyio
import pytest

from dingda.shared.dingtalk.reply import Text
from dingda.shared.ledger.states import Outcome
from dingda.shared.texts import LAST_RESORT
from dingda.skill import Allow, Context, RefusalError, Skill, SkillSettings
from dingda.testing import ask, listen
from dingda.worker import contained
from dingda.worker.answering.response import Response
from tests.support.worker_harness import CountingSkill, open_worker


class PanicException(BaseException):
    """What a library written in Rust raises when it panics."""


class MuteError(Exception):
    """An exception that can't be put into words."""

    def __str__(self) -> str:
        raise PanicException

    __repr__ = __str__


class MuteRefusal(RefusalError):  # noqa: N818 - a refusal
    """A refusal that can't be put into words."""

    def __str__(self) -> str:
        raise PanicException


def cyclic() -> Exception:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    return first


def group() -> BaseException:
    return BaseExceptionGroup("s3cret", [PanicException("s3cret"), ValueError("s3cret")])


RAISED: list[Callable[[], BaseException]] = [
    PanicException,
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    StopIteration,
    StopAsyncIteration,
    RecursionError,
    MemoryError,
    MuteError,
    cyclic,
    group,
    lambda: ValueError("s3cret" * 1_000_000),
]


def a_skill(function: Any, **traits: Any) -> Skill:
    skill = Skill("test", summary="测试", **traits)
    skill.command("问")(function)
    return skill


def is_an_apology(said: Response | None) -> bool:
    return (
        said is not None
        and said.completion.outcome is Outcome.DEAD
        and said.reply.to_payload()["text"]["content"].startswith(("@0001 抱歉", LAST_RESORT))
    )


@pytest.fixture(params=["async", "blocking"])
def raising(request: pytest.FixtureRequest) -> Callable[[Callable[[], BaseException]], Any]:
    """Make a function that raises, of either kind."""

    def make(error: Callable[[], BaseException]) -> Any:
        def blocking() -> NoReturn:
            raise error()

        async def on_the_loop() -> NoReturn:
            raise error()

        return on_the_loop if request.param == "async" else blocking

    return make


# What it raises -----------------------------------------------------------------------------


@pytest.mark.parametrize("error", RAISED)
async def test_whatever_is_raised_is_an_apology_without_its_words(
    error: Callable[[], BaseException], raising: Any, caplog: pytest.LogCaptureFixture
) -> None:
    said = await listen(a_skill(raising(error)), "问")
    assert is_an_apology(said)
    assert said is not None
    assert len(said.completion.full_reason) < 200
    assert "skill test failed" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_refusal_without_words_is_an_apology() -> None:
    async def refuse() -> NoReturn:
        raise MuteRefusal("")

    assert is_an_apology(await listen(a_skill(refuse), "问"))


async def test_the_apology_names_what_was_raised_for_the_operator() -> None:
    async def panic() -> NoReturn:
        raise PanicException

    said = await listen(a_skill(panic), "问")
    assert said is not None
    assert said.completion.full_reason == "failed: PanicException in the skill"


async def test_what_is_typed_stays_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def read(what: str) -> str:
        try:
            return str(int(what))
        except ValueError as error:
            error.add_note(what)
            raise LookupError(what) from error

    assert is_an_apology(await listen(a_skill(read), "问 我的工资"))
    assert "LookupError" in caplog.text
    assert "caused by ValueError" in caplog.text
    assert "工资" not in caplog.text


class OddSlot:
    label = "奇怪"

    @classmethod
    def extract(cls, *_: object) -> NoReturn:
        raise PanicException


class MissingSettings(SkillSettings):
    nowhere_to_be_found: str


class OddIds(frozenset[str]):
    def __contains__(self, _: object) -> bool:
        raise PanicException


async def test_a_slot_that_raises_is_an_apology() -> None:
    async def answer(odd: OddSlot) -> str:
        return str(odd)

    assert is_an_apology(await listen(a_skill(answer), "问"))


async def test_settings_that_are_missing_are_for_an_administrator_and_the_log_names_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def answer(settings: MissingSettings) -> str:
        return settings.nowhere_to_be_found

    said = await listen(a_skill(answer), "问")
    assert said is not None
    assert said.completion.outcome is Outcome.DEAD
    assert said.completion.detail.startswith("「测试」: MissingSettings is missing or wrong")
    assert isinstance(said.reply, Text)
    assert said.reply.content == "「测试」的配置有问题，不是你的问题，请联系管理员"
    assert "DINGDA_NOWHERE_TO_BE_FOUND: Field required" in caplog.text


async def test_a_sentence_names_the_skill_without_its_example() -> None:
    async def answer(settings: MissingSettings) -> str:
        return settings.nowhere_to_be_found

    skill = Skill("weather", summary="查天气，如：天气 北京 明天")
    skill.command("问")(answer)
    said = await listen(skill, "问")
    assert said is not None
    assert isinstance(said.reply, Text)
    assert said.reply.content == "「查天气」的配置有问题，不是你的问题，请联系管理员"


async def test_a_list_of_the_allowed_that_raises_is_an_apology() -> None:
    skill = a_skill(lambda: "好", allow=Allow(staff_ids=OddIds({"0001"})))
    assert is_an_apology(await listen(skill, "问"))


# What it returns ----------------------------------------------------------------------------


class Mute:
    def __repr__(self) -> str:
        raise PanicException

    __str__ = __repr__

    __class__ = property(lambda _: 1 / 0)


def generated() -> Iterator[str]:
    yield "好"


async def generated_later() -> AsyncIterator[str]:
    yield "好"


@pytest.mark.parametrize(
    "returned", [Mute, generated, generated_later, object, dict, lambda: b"", lambda: 7]
)
async def test_what_is_no_reply_is_an_apology(returned: Callable[[], object]) -> None:
    async def answer() -> Any:
        return returned()

    def answer_blocking() -> Any:
        return returned()

    assert is_an_apology(await listen(a_skill(answer), "问"))
    assert is_an_apology(await listen(a_skill(answer_blocking), "问"))


async def test_an_awaitable_that_a_plain_function_returns_is_awaited() -> None:
    async def answer() -> str:
        return "好"

    def wrapped() -> Any:
        return answer()

    assert await ask(a_skill(wrapped), "问") == Text("好")


async def test_an_odd_string_is_taken_for_its_characters() -> None:
    class Odd(str):
        __slots__ = ()

        def strip(self, *_: object) -> NoReturn:
            raise PanicException

        def __str__(self) -> NoReturn:
            raise PanicException

    reply = await ask(a_skill(lambda: Odd("好")), "问")
    assert reply == Text("好")
    assert isinstance(reply, Text)
    assert type(reply.content) is str


# What it does to its task -------------------------------------------------------------------


async def test_a_skill_that_awaits_what_somebody_else_cancelled_is_an_apology() -> None:
    shared = asyncio.create_task(asyncio.sleep(30))
    asyncio.get_running_loop().call_later(0.01, shared.cancel)

    async def answer() -> None:
        await shared

    assert is_an_apology(await listen(a_skill(answer), "问"))


async def test_a_skill_that_cancels_its_own_task_is_an_apology() -> None:
    async def answer() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(30)
        return "好"

    assert is_an_apology(await listen(a_skill(answer), "问"))


async def test_a_skill_that_leaves_a_cancelled_scope_open_is_an_apology() -> None:
    async def answer() -> str:
        scope = anyio.CancelScope()
        scope.__enter__()
        scope.cancel()
        await anyio.sleep(30)
        return "好"

    assert is_an_apology(await listen(a_skill(answer), "问"))


async def test_a_skill_that_will_not_be_cut_off_is_left_behind_with_an_apology(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(contained, "CANCEL_TIMEOUT_S", 0.05)
    free = asyncio.Event()

    async def answer() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    said = await listen(a_skill(answer, timeout_s=0.05), "问")
    assert is_an_apology(said)
    assert said is not None
    assert said.completion.full_reason == "failed: the skill took too long"
    free.set()


async def test_a_task_that_a_skill_leaves_behind_cannot_end_the_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    contained.contain_tasks(loop)

    async def leave() -> NoReturn:
        raise SystemExit("s3cret")

    async def answer() -> str:
        asyncio.create_task(leave())  # noqa: RUF006 - that is the fault
        return "好"

    try:
        assert await ask(a_skill(answer), "问") == Text("好")
        await asyncio.sleep(0.01)
    finally:
        loop.set_task_factory(before)
        loop.set_exception_handler(None)
    assert "AbortedError" in caplog.text
    assert "s3cret" not in caplog.text


# On the way to an end -----------------------------------------------------------------------


@pytest.mark.parametrize("error", [PanicException, KeyboardInterrupt, asyncio.CancelledError])
async def test_such_a_message_is_a_dead_letter_after_one_run(
    error: type[BaseException],
) -> None:
    runs = []

    async def answer(ctx: Context) -> NoReturn:
        runs.append(ctx)
        raise error

    async with open_worker(answer) as here:
        message = await here.asked()
        assert await here.state(message) == f"dead: failed: {error.__name__} in the skill"
        assert len(here.said) == len(runs) == 1


async def test_a_cancellation_that_nobody_asked_for_ends_the_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    skill = CountingSkill()

    async def cancelled(*_: object, **__: object) -> NoReturn:
        raise asyncio.CancelledError

    async with open_worker(skill.tell) as here:
        monkeypatch.setattr(here.answerer._webhook, "send", cancelled)
        message = await here.accept()
        with pytest.raises(asyncio.CancelledError):
            await here.answer(message)
        assert await here.state(message) == "dead: failed: CancelledError"
