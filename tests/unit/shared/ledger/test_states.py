import pytest

from dingda.shared.ledger.states import Completion, DeadReason, Outcome, PreparedReply

ENDINGS = {
    "answered": Completion(Outcome.ANSWERED),
    "refused (rate limit)": Completion(Outcome.DECLINED, detail="rate limit"),
    "refused (busy: 9 at once)": Completion(Outcome.DECLINED, detail="busy: 9 at once"),
    "dead (expired)": Completion(Outcome.DEAD, DeadReason.EXPIRED),
    "dead (failed: HTTP 500: down)": Completion(Outcome.DEAD, DeadReason.FAILED, "HTTP 500: down"),
    "dead (unknown: ReadError)": Completion(Outcome.DEAD, DeadReason.UNKNOWN, "ReadError"),
}


@pytest.mark.parametrize("detail", ["", "errcode 300001"])
def test_a_dead_end_without_a_reason_cannot_be_made(detail: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        Completion(Outcome.DEAD, detail=detail)


@pytest.mark.parametrize("end", [Outcome.ANSWERED, Outcome.UNMATCHED, Outcome.DECLINED])
def test_no_other_end_has_a_reason(end: Outcome) -> None:
    with pytest.raises(ValueError, match="reason"):
        Completion(end, DeadReason.FAILED)


@pytest.mark.parametrize("end", Outcome)
def test_a_text_is_no_reason(end: Outcome) -> None:
    with pytest.raises(ValueError, match="reason"):
        Completion(end, "failed: errcode 300001")  # type: ignore[arg-type]


@pytest.mark.parametrize(("shown", "completion"), ENDINGS.items())
def test_an_ending_shows_its_reason_and_detail(shown: str, completion: Completion) -> None:
    assert str(completion) == shown


@pytest.mark.parametrize("completion", ENDINGS.values(), ids=ENDINGS)
def test_an_ending_is_read_from_its_full_reason(completion: Completion) -> None:
    assert Completion.from_full_reason(completion.outcome, completion.full_reason) == completion


def test_a_prepared_reply_with_a_reason_that_does_not_exist_is_not_read() -> None:
    with pytest.raises(ValueError, match="tired"):
        PreparedReply.from_json('["{}", "dead", "tired: of it"]')
