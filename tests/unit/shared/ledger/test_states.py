import pytest

from dingda.shared.ledger.states import DeadReason, End, Ending, Prepared

ENDINGS = {
    "answered": Ending(End.ANSWERED),
    "refused (flood)": Ending(End.REFUSED, detail="flood"),
    "refused (busy: 9 at once)": Ending(End.REFUSED, detail="busy: 9 at once"),
    "dead (expired)": Ending(End.DEAD, DeadReason.EXPIRED),
    "dead (failed: HTTP 500: down)": Ending(End.DEAD, DeadReason.FAILED, "HTTP 500: down"),
    "dead (unknown: ReadError)": Ending(End.DEAD, DeadReason.UNKNOWN, "ReadError"),
}


@pytest.mark.parametrize("detail", ["", "errcode 300001"])
def test_a_dead_end_without_a_reason_cannot_be_made(detail: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        Ending(End.DEAD, detail=detail)


@pytest.mark.parametrize("end", [End.ANSWERED, End.UNMATCHED, End.REFUSED])
def test_no_other_end_has_a_reason(end: End) -> None:
    with pytest.raises(ValueError, match="reason"):
        Ending(end, DeadReason.FAILED)


@pytest.mark.parametrize("end", End)
def test_a_text_is_no_reason(end: End) -> None:
    with pytest.raises(ValueError, match="reason"):
        Ending(end, "failed: errcode 300001")  # type: ignore[arg-type]


@pytest.mark.parametrize(("shown", "ending"), ENDINGS.items())
def test_an_ending_shows_its_reason_and_detail(shown: str, ending: Ending) -> None:
    assert str(ending) == shown


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_an_ending_is_read_from_its_full_reason(ending: Ending) -> None:
    assert Ending.from_full_reason(ending.end, ending.full_reason) == ending


def test_a_prepared_reply_with_a_reason_that_does_not_exist_is_not_read() -> None:
    with pytest.raises(ValueError, match="tired"):
        Prepared.from_json('["{}", "dead", "tired: of it"]')
