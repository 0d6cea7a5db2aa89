"""What a card shows: as the variables of its template, or as a message with buttons instead."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import quote

from dingda.shared import texts
from dingda.shared.dingtalk.card import OfferedAction, sign_action
from dingda.shared.dingtalk.card_action import ACTION_ID
from dingda.shared.dingtalk.markdown import plain
from dingda.shared.dingtalk.media import picture_markdown
from dingda.shared.dingtalk.reply import ActionCard, Button
from dingda.shared.ledger.cards import GIVEN_UP_MS, CardRecord, CardState
from dingda.shared.runtime.clock import CHINA
from dingda.worker.language.text import localizer

_SEND = "dtmd://dingtalkclient/sendMessage?content="
"""DingTalk's link that sends a text to the bot when it is clicked."""


def card_params(card: CardRecord, secret: str, *, now_ms: int) -> dict[str, str]:
    """The variables of the template, as everybody is to see them.

    Args:
        card: as the ledger has it.
        secret: signs what the buttons carry.
        now_ms: the present, in ms since 1970.
    """
    actions = card.content.actions if card.state is CardState.OPEN else ()
    buttons = [_button(card, action, number, secret) for number, action in enumerate(actions)]
    return {
        "title": card.content.title,
        "text": card.content.text,
        "picture": card.content.picture,
        "buttons": json.dumps(buttons, ensure_ascii=False, separators=(",", ":")),
        "status": card.state,
        "result": result_of(card, now_ms=now_ms),
    }


def result_of(card: CardRecord, *, now_ms: int) -> str:
    """What a card says of how it went on, as Markdown; "" while it is open."""
    localize = localizer(like=card.content.title + card.content.text)
    match card.state:
        case CardState.OPEN:
            return ""
        case CardState.EXPIRED:
            return localize(texts.CARD_EXPIRED.format(time=_moment(card.expires_ms)))
        case CardState.DECIDED:
            template = texts.CARD_DECIDED
            if not card.has_ended:
                is_given_up = now_ms - card.decided_ms >= GIVEN_UP_MS
                template = texts.CARD_FAILED if is_given_up else texts.CARD_WORKING
            decided = localize(template).format(
                name=plain(card.name) or localize(texts.CARD_SOMEBODY),
                choice=plain(card.content.actions[card.choice].title),
                time=_moment(card.decided_ms),
            )
            return f"{decided}\n\n{card.result}" if card.result else decided


def as_action_card(card: CardRecord) -> ActionCard:
    """A message with buttons, each of which sends a text to the bot that names it.

    It can't be changed: its buttons stay, and a press after the first is told so.
    """
    buttons = tuple(
        Button(action.title, _SEND + quote(_pressed_text(card, action, number), safe=""))
        for number, action in enumerate(card.content.actions)
    )
    title, text = card.content.title, card.content.text
    if card.content.picture:
        text = f"{text}\n\n{picture_markdown(card.content.picture)}"
    if len(buttons) == 1:
        return ActionCard(title, text, link=buttons[0])
    return ActionCard(title, text, buttons=buttons)


def _pressed_text(card: CardRecord, action: OfferedAction, number: int) -> str:
    return f"{action.title} #{card.out_track_id}-{number + 1}"


def _button(card: CardRecord, action: OfferedAction, number: int, secret: str) -> dict[str, Any]:
    """A button of a group that is bound to an array; its event sends a callback (回传请求)."""
    sealed = action.sealed()
    signature = sign_action(
        secret, robot_code=card.robot_code, out_track_id=card.out_track_id, sealed=sealed
    )
    params = {
        "actionId": f"{ACTION_ID}{number + 1}",
        "params": {"action": sealed, "number": str(number + 1), "signature": signature},
    }
    return {
        "text": action.title,
        "color": "blue" if number == 0 else "gray",
        "status": "normal",
        "event": {"type": "sendCardRequest", "params": params},
    }


def _moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, CHINA):%m-%d %H:%M}"
