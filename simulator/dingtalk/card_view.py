"""A card as one person sees it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from dingda.simulator.dingtalk.card import Button, CardView
from dingda.simulator.dingtalk.card_templates import (
    BUTTONS,
    HIDDEN,
    OPEN,
    PICTURE,
    RESULT,
    STATUS,
    TEXT,
    TITLE,
)

_REQUEST, _LINK = "sendCardRequest", "openLink"
_NORMAL = "normal"


def draw(values: Mapping[str, str], *, streamed: str = "") -> CardView:
    """Draw the values that one person's client has.

    Args:
        values: of the template's variables, which are texts; buttons are JSON in one.
        streamed: the variable that is streamed, whatever its name; "" for none.
    """
    drawn = {name for names in (TITLE, TEXT, RESULT, PICTURE, BUTTONS) for name in names} | HIDDEN
    is_open = values.get(STATUS, OPEN) == OPEN
    texts = (_first(values, (streamed, *TEXT)), _first(values, RESULT))
    return CardView(
        title=_first(values, TITLE),
        text="\n\n".join(filter(None, texts)),
        picture=_first(values, PICTURE),
        buttons=tuple(_buttons(_first(values, BUTTONS))) if is_open else (),
        others={
            name: value
            for name, value in values.items()
            if name not in (*drawn, streamed) and value
        },
    )


def values_for(
    staff_id: str,
    data: Mapping[str, str],
    private: Mapping[str, Mapping[str, str]],
    local: Mapping[str, Mapping[str, str]],
) -> dict[str, str]:
    """The values that one person's client has; DingTalk: private ones win over public ones."""
    return {**data, **local.get(staff_id, {}), **private.get(staff_id, {})}


def _first(values: Mapping[str, str], names: Iterable[str]) -> str:
    return next((values[name] for name in names if values.get(name)), "")


def _buttons(text: str) -> Iterable[Button]:
    try:
        buttons = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return
    for button in buttons if isinstance(buttons, list) else ():
        if isinstance(button, dict):
            yield _button(button)


def _button(button: Mapping[str, Any]) -> Button:
    event = _object(button.get("event"))
    params = _object(event.get("params"))
    is_request, is_link = event.get("type") == _REQUEST, event.get("type") == _LINK
    return Button(
        text=str(button.get("text", "")),
        action_id=str(params.get("actionId", "")) if is_request else "",
        params=_object(params.get("params")) if is_request else None,
        url=str(params.get("url", "")) if is_link else "",
        color=str(button.get("color", "gray")),
        enabled=button.get("status", _NORMAL) == _NORMAL,
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
