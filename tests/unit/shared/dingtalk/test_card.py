"""Cards as values: what can't be shown is refused, and what is stored is read again."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from dingda.shared.dingtalk.card import (
    ActionButton,
    Card,
    CardContent,
    callback_secret,
    is_signed,
    name_of_action,
    out_track_id_of,
    read_action,
    read_card,
    route_key_of,
    sign_action,
)
from dingda.shared.errors import InvalidReplyError


@dataclass(frozen=True)
class Decide:
    day: str
    approved: bool = True


class Model(BaseModel):
    day: str


YES = ActionButton("同意", Decide("周五"))


def a_card(**fields: Any) -> Card:
    return Card(**{"title": "请假", "text": "张三", "buttons": (YES,), **fields})


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"title": " "}, "card.title"),
        ({"title": "长" * 129}, "card.title"),
        ({"text": ""}, "card.text"),
        ({"text": "长" * 3001}, "card.text"),
        ({"text": "\ud800"}, "card.text"),
        ({"buttons": ()}, "card.buttons"),
        ({"buttons": (YES,) * 7}, "card.buttons"),
        ({"buttons": (ActionButton("", Decide("周五")),)}, "card.buttons[0].title"),
        ({"buttons": (ActionButton("长" * 21, Decide("周五")),)}, "card.buttons[0].title"),
        ({"buttons": (ActionButton("同意", Decide("长" * 200)),)}, "card.buttons[0].action"),
        ({"buttons": (ActionButton("同意", {"day": "周五"}),)}, "card.buttons[0].action"),
        ({"buttons": (ActionButton("同意", Decide),)}, "card.buttons[0].action"),
        ({"allow": ("",)}, "card.allow"),
        ({"allow": ("0002",) * 51}, "card.allow"),
        ({"expires_s": 0}, "card.expires_s"),
        ({"expires_s": 31 * 86_400}, "card.expires_s"),
        ({"expires_s": float("nan")}, "card.expires_s"),
    ],
)
def test_what_can_not_be_shown_or_stored_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidReplyError) as refused:
        a_card(**fields)
    assert refused.value.field == field


@pytest.mark.parametrize("action", [Decide("周五", approved=False), Model(day="周五")])
def test_an_action_comes_back_as_it_was(action: Any) -> None:
    content = CardContent.from_json(
        a_card(buttons=(ActionButton("好", action),)).content().to_json()
    )
    (offered,) = content.actions
    assert offered.name == name_of_action(type(action))
    assert read_action(type(action), offered.fields) == action


def test_a_card_that_was_stored_is_read_and_offers_the_same() -> None:
    card = a_card(allow=("0002",), expires_s=60, picture="@lALOpVk7")
    again = read_card(json.loads(json.dumps(card.to_payload())))
    assert again.content() == card.content()


@pytest.mark.parametrize(
    "fields", [{}, {"card": []}, {"title": "x", "text": "y", "buttons": [["z"]], "allow": []}]
)
def test_what_is_no_card_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidReplyError):
        read_card(fields)


def test_an_action_whose_class_has_changed_is_refused() -> None:
    with pytest.raises(ValueError, match="day"):
        read_action(Decide, {"another": 1})


def test_a_cards_id_is_that_of_what_it_is_made_for() -> None:
    assert out_track_id_of("m1") == out_track_id_of("m1")
    assert out_track_id_of("m1") != out_track_id_of("m2")
    assert len(out_track_id_of("m1")) == len("dd-") + 24


@pytest.mark.parametrize("changed", ["secret", "robot_code", "out_track_id", "sealed", "signature"])
def test_a_signature_holds_for_one_action_of_one_card_of_one_robot(changed: str) -> None:
    given = {"robot_code": "r", "out_track_id": "dd-1", "sealed": '["leave:Decide",{}]'}
    signature = sign_action("secret", **given)
    assert is_signed(signature, ["older", "secret"], **given)

    secret = "another" if changed == "secret" else "secret"
    signature = "é" if changed == "signature" else signature
    if changed in given:
        given[changed] += "x"
    assert not is_signed(signature, [secret], **given)


def test_what_is_registered_tells_neither_the_secret_nor_the_key() -> None:
    assert "secret" not in callback_secret("secret")
    assert callback_secret("secret") != callback_secret("another")
    assert "dingapp" not in route_key_of("dingapp")
