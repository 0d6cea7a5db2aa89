"""The cards of the simulated application: their life on DingTalk's servers. It has no sockets."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dingda.simulator.dingtalk.card import (
    Card,
    CardProblem,
    CardSpace,
    CardState,
    Press,
    Toast,
)
from dingda.simulator.dingtalk.card_requests import (
    CardRefusedError,
    Creation,
    Frame,
    Params,
    Target,
    Update,
    read_answer,
)
from dingda.simulator.dingtalk.card_templates import Template, Templates
from dingda.simulator.dingtalk.card_view import draw, values_for

MOST_DRAWN = 3000
"""Code points of a text that clients draw; a longer one leaves the card blank."""
_REMEMBERED = 500
_PRESSES = 100
_FLOW = {
    "1": CardState.PROCESSING,
    "2": CardState.TYPING,
    "3": CardState.FINISHED,
    "4": CardState.PROCESSING,
    "5": CardState.FAILED,
}
"""The values of an AI template's variable `flowStatus`."""

Show = Callable[[Card, Target], str]
"""Shows a card in a conversation; returns its record's id, or "" where there is no such place."""


class Cards:
    """The newest cards. Every change has a number that only grows, the `revision`.

    Args:
        templates: the application's.
        show: puts a delivered card into the feed.
        now_ms: the clock, in ms since 1970.
    """

    def __init__(self, templates: Templates, *, show: Show, now_ms: Callable[[], int]) -> None:
        self._templates = templates
        self._show = show
        self._now_ms = now_ms
        self._cards: dict[str, Card] = {}
        self._changed_at: dict[str, int] = {}
        self._guids: dict[str, str] = {}
        """The latest guid of each card's stream."""
        self.revision = 0

    def find(self, out_track_id: str) -> Card | None:
        """A card; None if it is unknown or forgotten."""
        return self._cards.get(out_track_id)

    def since(self, revision: int) -> list[Card]:
        """The cards that changed after a revision, the oldest first; 0: all."""
        return [card for key, card in self._cards.items() if self._changed_at[key] > revision]

    def create(self, creation: Creation) -> Card:
        """Create a card; one that exists keeps its template and its data.

        Raises:
            CardRefusedError: if there is no such template.
        """
        if card := self._cards.get(creation.out_track_id):
            return card
        template = self._templates.find(creation.template_id)
        if template is None:
            raise CardRefusedError("templateNotExist", "模板不存在")
        now_ms = self._now_ms()
        card = Card(
            out_track_id=creation.out_track_id,
            template_id=creation.template_id,
            created_at_ms=now_ms,
            changed_at_ms=now_ms,
            state=_first_state(template, creation.data),
            data=creation.data,
            private=creation.private,
            local={},
            views={},
            problem=CardProblem.FOREIGN_TEMPLATE if template.is_foreign else None,
            callback=creation.callback,
            callback_route_key=creation.callback_route_key,
        )
        return self._put(card)

    def deliver(self, out_track_id: str, target: Target) -> CardSpace | None:
        """Show a card in a conversation; None if there is no such conversation.

        Raises:
            CardRefusedError: if there is no such card.
        """
        card = self._existing(out_track_id)
        for space in card.spaces:
            if (space.kind, space.id) == (target.kind, target.id):
                again = replace(space, times=space.times + 1)
                self._put(replace(card, spaces=_replaced(card.spaces, space, again)))
                return again
        record_id = self._show(card, target)
        if not record_id:
            return None
        space = CardSpace(
            target.kind,
            target.id,
            carrier_id=secrets.token_hex(8),
            record_id=record_id,
            notified=target.notified,
            recipients=target.recipients,
        )
        self._put(replace(card, spaces=(*card.spaces, space)))
        return space

    def update(self, out_track_id: str, update: Update) -> Card:
        """Change a card for everybody.

        Raises:
            CardRefusedError: if there is no such card.
        """
        card = self._existing(out_track_id)
        data, local = card.data, card.local
        if update.data is not None:
            data = {**data, **update.data} if update.by_key else update.data
            local = _without(local, update.data) if update.by_key else {}
        private = _with_private(card.private, update)
        flow = (update.data or {}).get("flowStatus", "")
        state = _FLOW.get(flow, card.state) if card.state is not CardState.PLAIN else card.state
        return self._put(replace(card, data=data, local=local, private=private, state=state))

    def stream(self, frame: Frame) -> Card:
        """Take a frame. One with the guid of the latest is a repetition, which changes nothing.

        Raises:
            CardRefusedError: if the card is none, or cannot be streamed.
        """
        card = self._cards.get(frame.out_track_id)
        if card is None:
            raise CardRefusedError("param.stream.outTrackId", "card is not exist")
        template = self._templates.find(card.template_id)
        streamed = template.streamed if template else ""
        if card.state is CardState.PLAIN or streamed not in ("", frame.key):
            raise CardRefusedError("unknownError", "unknown error", status=500)
        if not frame.is_full:
            # DingTalk appends to plain texts only, and a template's content is Markdown.
            raise CardRefusedError("param.stream.isFull", "isFull must be true for markdown")
        if self._guids.get(card.out_track_id) == frame.guid:
            return card
        self._guids[card.out_track_id] = frame.guid
        data = {**card.data, frame.key: frame.content}
        return self._put(
            replace(
                card,
                data=data,
                local=_without(card.local, {frame.key: ""}),
                state=_state_after(card.state, frame),
                frames=card.frames + 1,
                stream_key=frame.key,
            )
        )

    def begin_press(
        self, out_track_id: str, staff_id: str, action_id: str, params: Mapping[str, Any]
    ) -> Press:
        """Note that somebody has pressed a button, whose client now waits."""
        press = Press(secrets.token_hex(8), staff_id, action_id, dict(params), self._now_ms())
        card = self._cards[out_track_id]
        self._put(replace(card, presses=(*card.presses, press)[-_PRESSES:]))
        return press

    def end_press(
        self,
        out_track_id: str,
        press: Press,
        *,
        status: int | None = None,
        response: dict[str, Any] | None = None,
        problem: str = "",
    ) -> Press:
        """Note how a press was answered, and apply the answer to the presser's view.

        DingTalk: an empty answer may show the toast of a failure; so it does here.
        """
        is_good = status is not None and 200 <= status < 300 and bool(response)  # noqa: PLR2004
        ended = replace(
            press,
            status=status,
            response=response,
            after_ms=self._now_ms() - press.at_ms,
            problem=problem,
            toast=Toast.SUCCEEDED if is_good else Toast.FAILED,
        )
        if card := self._cards.get(out_track_id):
            card = replace(card, presses=_replaced(card.presses, press, ended))
            answer = read_answer(response, press.staff_id) if is_good and response else None
            self._put(_answered(card, press.staff_id, answer) if answer else card)
        return ended

    def _existing(self, out_track_id: str) -> Card:
        card = self._cards.get(out_track_id)
        if card is None:
            raise CardRefusedError("cardNotExist", "卡片不存在")
        return card

    def _put(self, card: Card) -> Card:
        card = replace(
            card, changed_at_ms=self._now_ms(), views=_views(card), problem=_problem(card)
        )
        self.revision += 1
        self._cards[card.out_track_id] = card
        self._changed_at[card.out_track_id] = self.revision
        if len(self._cards) > _REMEMBERED:
            oldest = next(iter(self._cards))
            del self._cards[oldest], self._changed_at[oldest]
            self._guids.pop(oldest, None)
        return card


def _first_state(template: Template, data: Params) -> CardState:
    if not template.is_ai and "flowStatus" not in data:
        return CardState.PLAIN
    return _FLOW.get(data.get("flowStatus", ""), CardState.PROCESSING)


def _state_after(state: CardState, frame: Frame) -> CardState:
    if frame.is_error:
        return CardState.FAILED
    if frame.is_final:
        return CardState.FINISHED
    # No source tells what a frame after the last one does; here it does not begin again.
    return CardState.TYPING if state.is_open else state


def _answered(card: Card, staff_id: str, answer: Update) -> Card:
    """Apply the answer to a press, which only the presser's client sees."""
    local = card.local
    if answer.data is not None:
        before = local.get(staff_id, {}) if answer.by_key else dict.fromkeys(card.data, "")
        local = {**local, staff_id: {**before, **answer.data}}
    return replace(card, local=local, private=_with_private(card.private, answer))


def _with_private(private: Mapping[str, Params], update: Update) -> dict[str, Params]:
    changed = {
        staff_id: {**private.get(staff_id, {}), **values} if update.private_by_key else values
        for staff_id, values in update.private.items()
    }
    return {**private, **changed}


def _without(local: Mapping[str, Params], names: Mapping[str, str]) -> dict[str, Params]:
    """What single clients have of their own once the named variables have come from the server."""
    return {
        staff_id: {name: value for name, value in values.items() if name not in names}
        for staff_id, values in local.items()
    }


def _views(card: Card) -> dict[str, Any]:
    people = ["", *{**card.private, **card.local}]
    return {
        staff_id: draw(
            values_for(staff_id, card.data, card.private, card.local), streamed=card.stream_key
        )
        for staff_id in people
    }


def _problem(card: Card) -> CardProblem | None:
    if card.problem is CardProblem.FOREIGN_TEMPLATE:
        return card.problem
    is_long = len(draw(card.data, streamed=card.stream_key).text) > MOST_DRAWN
    return CardProblem.BLANK if is_long else None


def _replaced(values: tuple[Any, ...], old: Any, new: Any) -> tuple[Any, ...]:
    return tuple(new if each == old else each for each in values)
