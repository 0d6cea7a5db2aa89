"""Card actions: what is read of a card's callback, as new and as older pages show it."""

import json
from typing import Any

import pytest

from dingda.shared.dingtalk.card_action import CardAction, parse_card_action
from dingda.shared.errors import InvalidMessageError
from tests.support.builders import a_card_callback

PRIVATE = {"actionIds": ["approve"], "params": {"jobId": "42"}}


def parsed(**fields: Any) -> CardAction:
    return parse_card_action(a_card_callback(**fields))


def test_a_press_is_read_from_the_callback() -> None:
    assert parsed() == CardAction(
        ("approve",),
        user_id="0001",
        params={"jobId": "42"},
        out_track_id="card1",
        corp_id="dingcorp",
        space_type="IM_GROUP",
        space_id="cidAAAA==",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"content": json.dumps({"cardPrivateData": PRIVATE})},
        {"content": {"cardPrivateData": PRIVATE}},
        {"content": None, "value": json.dumps({"cardPrivateData": PRIVATE})},
        {
            "content": "",
            "value": json.dumps(
                {"cardPrivateData": {"actionIds": ["approve"]}, "params": {"jobId": "42"}}
            ),
        },
        {"content": {"cardPrivateData": json.dumps(PRIVATE)}},
    ],
    ids=["content", "an object", "value", "params beside", "packed twice"],
)
def test_each_form_in_which_dingtalk_writes_it_is_understood(fields: dict[str, Any]) -> None:
    action = parsed(**fields)
    assert (action.action_ids, action.params) == (("approve",), {"jobId": "42"})


def test_a_submitted_form_is_read() -> None:
    entered = {"text": "回家", "date": "2026-01-31", "select": {"index": 2, "value": "3"}}
    action = parse_card_action(a_card_callback("form", params={"form": entered}))
    assert action.action_ids == ("form",)
    assert action.form == entered
    assert parsed().form == {}


@pytest.mark.parametrize(
    ("action_ids", "read"),
    [
        (None, ()),
        ("approve", ("approve",)),
        (["a", 7, "", None, "b", "x" * 513], ("a", "b")),
        ([str(n) for n in range(100)], tuple(str(n) for n in range(20))),
    ],
)
def test_of_the_actions_only_what_can_be_one_is_read(
    action_ids: Any, read: tuple[str, ...]
) -> None:
    content = {"cardPrivateData": {"actionIds": action_ids}}
    assert parsed(content=content).action_ids == read


@pytest.mark.parametrize("content", [None, 7, "{", "[]", {"cardPrivateData": []}])
def test_a_callback_without_an_action_has_none(content: Any) -> None:
    action = parsed(content=content)
    assert (action.action_ids, action.params) == ((), {})


@pytest.mark.parametrize("missing", ["userId", "outTrackId"])
def test_a_press_by_nobody_or_on_no_card_is_refused(missing: str) -> None:
    with pytest.raises(InvalidMessageError, match=missing):
        parsed(**{missing: None})


def test_what_was_entered_is_in_no_representation_of_it() -> None:
    assert "canary" not in repr(parse_card_action(a_card_callback(params={"why": "canary"})))
