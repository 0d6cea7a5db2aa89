"""A function's arguments are read from a typed text, by their types."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_settings import BaseSettings

from dingda.skill import Context
from dingda.worker.errors import ClarificationNeeded
from dingda.worker.language.text import FoldedText
from dingda.worker.sdk.arguments import Signature

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai"))


class SomeSettings(BaseSettings):
    limit: int = 3


class Fruit:
    """A slot of an author's own."""

    label = "水果"

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def extract(cls, words: FoldedText, _: datetime) -> "tuple[Fruit, FoldedText] | None":
        at = words.folded.find("苹果")
        return (cls("苹果"), words.without(at, at + 2)) if at >= 0 else None


def bound(function: Any, text: str) -> dict[str, Any]:
    signature = Signature.of(function, context_type=Context)
    settings: dict[type[BaseSettings], BaseSettings] = {SomeSettings: SomeSettings()}
    return signature.bind(
        FoldedText.of(text), usage="用法", ctx="the context", now=NOW, settings=settings
    )


def test_text_takes_what_is_left() -> None:
    def function(what: str) -> None: ...

    assert bound(function, "  机械键盘  红轴 ") == {"what": "机械键盘 红轴"}


def test_of_several_texts_the_last_takes_the_rest() -> None:
    def function(who: str, what: str) -> None: ...

    assert bound(function, "张三 一本 书") == {"who": "张三", "what": "一本 书"}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [(int, "掷20面", 20), (float, "1.5 倍", 1.5), (Decimal, "要９．９元", Decimal("9.9"))],
)
def test_a_number_is_found_anywhere_in_the_text(kind: Any, text: str, value: Any) -> None:
    def function(number: Any) -> None: ...

    function.__annotations__["number"] = kind
    assert bound(function, text) == {"number": value}


def test_a_number_with_a_fraction_is_no_int() -> None:
    def function(number: int) -> None: ...

    with pytest.raises(ClarificationNeeded):
        bound(function, "1.5")


def test_a_choice_is_recognised_in_any_script() -> None:
    def function(kind: Literal["年假", "调休", "病假"]) -> None: ...

    assert bound(function, "我想請調休") == {"kind": "调休"}


def test_of_two_choices_the_one_that_is_typed_first_is_the_first() -> None:
    Unit = Literal["公里", "英里", "里"]  # noqa: N806 - a type

    def function(source: Unit, target: Unit) -> None: ...

    assert bound(function, "3 英里 公里") == {"source": "英里", "target": "公里"}
    assert bound(function, "里 英里") == {"source": "里", "target": "英里"}


def test_of_choices_that_begin_alike_the_longest_is_meant() -> None:
    def function(team: Literal["支付", "支付组"]) -> None: ...

    assert bound(function, "支付组") == {"team": "支付组"}


def test_a_slot_is_taken_out_before_text_takes_the_rest() -> None:
    def function(what: str, fruit: Fruit) -> None: ...

    arguments = bound(function, "两斤苹果 送到家")
    assert arguments["fruit"].name == "苹果"
    assert arguments["what"] == "两斤 送到家"


def test_a_missing_optional_argument_is_none_or_its_default() -> None:
    def function(fruit: Fruit | None, sides: int = 6) -> None: ...

    assert bound(function, "") == {"fruit": None, "sides": 6}


def test_a_missing_argument_is_asked_for_by_its_label() -> None:
    def function(city: Annotated[str, "城市"]) -> None: ...

    with pytest.raises(ClarificationNeeded, match="请告诉我城市。用法：用法"):
        bound(function, " ")


def test_a_text_that_is_not_understood_is_repeated() -> None:
    def function(fruit: Fruit) -> None: ...

    with pytest.raises(ClarificationNeeded, match="没有认出水果：「石头」"):
        bound(function, "石头")


def test_the_context_and_the_settings_are_given_not_read() -> None:
    def function(ctx: Context, settings: SomeSettings, what: str) -> None: ...

    arguments = bound(function, "书")
    assert arguments["ctx"] == "the context"
    assert arguments["settings"].limit == 3


def test_the_usage_shows_which_arguments_are_required_and_which_are_optional() -> None:
    def function(city: Annotated[str, "城市"], days: Annotated[int | None, "天数"]) -> None: ...

    assert Signature.of(function, context_type=Context).usage == ["<城市>", "[天数]"]


def test_a_type_that_cannot_be_read_is_refused_when_it_is_declared() -> None:
    def function(when: dict[str, str]) -> None: ...

    with pytest.raises(TypeError, match="parameter 'when' can't be read from text"):
        Signature.of(function, context_type=Context)


@given(st.text(max_size=80))
def test_any_text_binds_or_is_asked_back(text: str) -> None:
    def function(fruit: Fruit | None, number: int | None, what: str | None) -> None: ...

    arguments = bound(function, text)
    assert set(arguments) == {"fruit", "number", "what"}


@pytest.mark.parametrize("text", ["٣", "۳", "3", "３", "𝟛"])
def test_a_number_is_read_in_the_digits_of_any_script(text: str) -> None:
    def function(number: int) -> None: ...

    assert bound(function, text) == {"number": 3}


@pytest.mark.parametrize("kind", [int, float, Decimal])
def test_a_number_of_absurdly_many_digits_is_no_number(kind: Any) -> None:
    def function(number: Any) -> None: ...

    function.__annotations__["number"] = kind
    with pytest.raises(ClarificationNeeded):
        bound(function, "9" * 400)
