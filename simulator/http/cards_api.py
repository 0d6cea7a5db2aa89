"""The part of the simulator's API that shows cards and presses their buttons.

    GET  /api/cards                     [Card, …]            the oldest first
    GET  /api/cards/{outTrackId}        Card
    POST /api/cards/{outTrackId}/press  {"staff_id", "action_id"[, "params"]} → Press

A press returns once the bot has answered it, or two seconds are over, as the client's spinner does.
Without `params` it presses the button that the person sees, with what the button carries: there
must be one (409 `no_button` otherwise). With `params` it sends them, whatever is drawn.

Every change of a card is an event `card` (a Card) of `/api/events`; the whole of `openapi` (the
calls, the month's quotas, the faults) is an event `openapi`. A Card:

    {"out_track_id": "dd-1", "template_id": "dingda-action.schema",
     "created_at_ms": 1700000000000, "changed_at_ms": 1700000000000,
     "state": "plain|processing|typing|finished|failed",
     "problem": null | "blank" | "foreign_template",
     "views": {"":       {"title": "…", "text": "Markdown", "picture": "URL or @mediaId",
                          "buttons": [{"text": "同意", "action_id": "approve", "params": {…},
                                       "url": "", "color": "blue", "enabled": true}],
                          "others": {"variable": "value"}},
               "userid": {… what this person sees, where it differs …}},
     "spaces": [{"kind": "IM_GROUP|IM_ROBOT", "id": "conversationId or userid",
                 "record_id": "card…", "carrier_id": "…", "notified": ["userid"],
                 "recipients": [], "times": 1}],
     "presses": [{"id": "…", "staff_id": "…", "action_id": "…", "params": {…}, "at_ms": 0,
                  "status": 200, "response": {…}, "after_ms": 12, "problem": "",
                  "toast": null | "succeeded" | "failed"}],
     "data": {…}, "private": {"userid": {…}}, "local": {"userid": {…}},
     "callback": "HTTP|STREAM|", "callback_route_key": "", "frames": 3, "stream_key": "content"}

In the feed a delivered card is a Record with `card` set to its outTrackId, `prompted` false and no
replies: draw the card at its place. Its `said.single` and `said.sender` name the conversation, as
those of any message that the bot sends first.
"""

import json
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dingda.simulator.backends.openapi_access import OpenAPIAccess
from dingda.simulator.dingtalk.card import Card, PressRequest
from dingda.simulator.dingtalk.cards import Cards
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFaults
from dingda.simulator.http.api_requests import ApiError, read_body
from dingda.simulator.http.card_presses import CardPresses
from dingda.simulator.http.events import View


def card_api_routes(cards: Cards, presses: CardPresses) -> list[BaseRoute]:
    """Build the API's routes for cards."""
    endpoints = _Cards(cards, presses)
    card = "/api/cards/{out_track_id:path}"
    return [
        Route("/api/cards", endpoints.list_cards, methods=["GET"]),
        Route(f"{card}/press", endpoints.press, methods=["POST"]),
        Route(card, endpoints.show_card, methods=["GET"]),
    ]


def openapi_api_routes(access: OpenAPIAccess, changes: ChangeNotifier) -> list[BaseRoute]:
    """Build the API's routes for what becomes of the OpenAPI's calls."""
    endpoints = _OpenAPI(access, changes)
    return [
        Route("/api/openapi", endpoints.show, methods=["GET"]),
        Route("/api/openapi/faults", endpoints.show_faults, methods=["GET"]),
        Route("/api/openapi/faults", endpoints.set_faults, methods=["PUT"]),
    ]


def openapi_views(access: OpenAPIAccess) -> dict[str, View]:
    """What the events tell of the OpenAPI, by their names."""
    return {"openapi": lambda: access.state}


class _Cards:
    def __init__(self, cards: Cards, presses: CardPresses) -> None:
        self._cards = cards
        self._presses = presses

    async def list_cards(self, _: Request) -> Response:
        return Response(Card.list_to_json(self._cards.since(0)), media_type="application/json")

    async def show_card(self, request: Request) -> Response:
        return Response(self._card(request).to_json(), media_type="application/json")

    async def press(self, request: Request) -> Response:
        wanted = await read_body(request, PressRequest.from_json)
        card = self._card(request)
        press = await self._presses.press(
            card, wanted.staff_id, wanted.action_id, _params(card, wanted)
        )
        return Response(press.to_json(), media_type="application/json")

    def _card(self, request: Request) -> Card:
        card = self._cards.find(request.path_params["out_track_id"])
        if card is None:
            raise ApiError(
                HTTPStatus.NOT_FOUND,
                "unknown_card",
                "No card has this outTrackId, or it is so old that it has been forgotten.",
            )
        return card


class _OpenAPI:
    def __init__(self, access: OpenAPIAccess, changes: ChangeNotifier) -> None:
        self._access = access
        self._changes = changes

    async def show(self, _: Request) -> Response:
        return Response(self._access.state.to_json(), media_type="application/json")

    async def show_faults(self, _: Request) -> Response:
        return Response(self._access.injected.to_json(), media_type="application/json")

    async def set_faults(self, request: Request) -> Response:
        self._access.injected = await read_body(request, OpenAPIFaults.from_json)
        await self._changes.announce()
        return await self.show_faults(request)


def _params(card: Card, wanted: PressRequest) -> dict[str, Any]:
    if wanted.params is not None:
        return wanted.params
    button = card.seen_by(wanted.staff_id).button(wanted.action_id)
    if button is None:
        actions = [each.action_id for each in card.seen_by(wanted.staff_id).buttons]
        raise ApiError(
            HTTPStatus.CONFLICT,
            "no_button",
            f"This person sees no button to press for {json.dumps(wanted.action_id)} on the card: "
            f"there are {json.dumps(actions)}.",
        )
    return button.params or {}
