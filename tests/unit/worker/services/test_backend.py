"""A backend declares its bounds in a line, and an operator sets any of them in words."""

import pytest

from dingda.worker.services.backend import Backend, Limits


def test_a_service_without_declared_limits_is_limited_only_in_time_and_size() -> None:
    backend = Backend("人事系统")
    assert backend.at_once >= 500
    assert backend.per_s is None
    assert (backend.timeout_s, backend.max_bytes) == (10.0, 1024 * 1024)


def test_limits_that_are_set_replace_declared_ones_and_nothing_else() -> None:
    declared = Backend("天气", at_once=4, per_s=10, timeout_s=8)
    limited = declared.limited(Limits.parse("at_once=50, max_bytes = 2000000"))
    assert limited == Backend("天气", at_once=50, per_s=10, timeout_s=8, max_bytes=2_000_000)


@pytest.mark.parametrize("text", ["", " ", ","])
def test_empty_limits_change_nothing(text: str) -> None:
    assert Backend("天气", per_s=3).limited(Limits.parse(text)) == Backend("天气", per_s=3)


@pytest.mark.parametrize(
    "text", ["", "at_once=50,per_s=0.5", "timeout_s=8,wait_s=60,max_bytes=2000000"]
)
def test_limits_are_written_as_they_are_read(text: str) -> None:
    assert str(Limits.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at_most=50", "'at_most' is no bound; write at_once, per_s, timeout_s, wait_s, max_bytes"),
        ("50", "'50' is no bound"),
        ("at_once=0", "at_once must be a whole number above 0"),
        ("at_once=2.5", "at_once must be a whole number above 0"),
        ("at_once=", "at_once must be a whole number above 0"),
        ("per_s=-1", "per_s must be a number above 0"),
        ("timeout_s=nan", "timeout_s must be a number above 0"),
        ("wait_s=inf", "wait_s must be a number above 0"),
        ("timeout_s=8s", "timeout_s must be a number above 0"),
        ("at_once=5,at_once=6", "at_once is there twice"),
    ],
)
def test_a_wrong_limit_is_named_with_what_it_must_be(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Limits.parse(text)


def test_a_backend_that_could_never_be_called_is_rejected_where_it_is_declared() -> None:
    with pytest.raises(ValueError, match="at_once must be a whole number above 0"):
        Backend("天气", at_once=0)
