"""Where an error was raised: its innermost place in some packages."""

import json
from typing import Any

import pytest

from dingda.shared.runtime.error_place import place_of

HERE = __name__.partition(".")[0]


def raised(call: Any) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it is
        call()
    return caught.value


def parse() -> None:
    json.loads("{绩效")


def nested() -> None:
    parse()


def test_the_innermost_place_in_the_packages_is_named() -> None:
    place = place_of(raised(nested), {HERE})
    assert place.startswith(f"{__file__}:")
    assert place.endswith(" in parse")


def test_without_a_place_in_the_packages_the_innermost_of_all_is_named() -> None:
    assert place_of(raised(nested), {"acme"}).endswith(" in raw_decode")


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert place_of(ValueError("绩效"), {HERE}) == ""


def test_nothing_that_the_error_says_is_shown() -> None:
    assert "绩效" not in place_of(raised(nested), {HERE})


def test_an_error_whose_attributes_raise_has_no_place() -> None:
    class HostileError(Exception):
        @property
        def __traceback__(self) -> Any:  # type: ignore[override]
            raise RuntimeError

    assert place_of(HostileError(), {HERE}) == ""


def test_a_recursion_without_end_has_a_place() -> None:
    def again() -> None:
        again()

    assert place_of(raised(again), {HERE}).endswith(" in again")
