"""The APIs of interactive cards: create, deliver, update, stream, and where presses go.

Facts: DingTalk's pages on createAndDeliver, card/instances, card/instances/deliver, card/streaming
and callbacks/register.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from dingda.simulator.backends.dingtalk_errors import NO_BODY, ROUTE_KEY_EXISTS
from dingda.simulator.backends.dingtalk_openapi import FakeOpenAPI
from dingda.simulator.backends.openapi_access import (
    STREAM_CARD,
    WRITE_CARD,
    Answer,
    Handler,
    fields_of,
)
from dingda.simulator.dingtalk.card_requests import (
    CardRefusedError,
    Target,
    read_creation,
    read_frame,
    read_out_track_id,
    read_targets,
    read_update,
)
from dingda.simulator.dingtalk.cards import Cards
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFault

_Fields = dict[str, Any]
_INSTANCES = "/v1.0/card/instances"


@dataclass(frozen=True, slots=True)
class CallbackRoute:
    """Where the presses of some cards go over HTTP."""

    url: str
    secret: str
    """Signs them; "" for no signature."""


class CardAPI:
    """The APIs of one application's cards.

    Args:
        openapi: checks the calls.
        cards: keeps the cards.
        changes: announces what happens to them.
    """

    def __init__(self, openapi: FakeOpenAPI, cards: Cards, changes: ChangeNotifier) -> None:
        self._openapi = openapi
        self._cards = cards
        self._changes = changes
        self.callback_routes: dict[str, CallbackRoute] = {}
        """By callbackRouteKey."""

    def routes(self) -> list[Route]:
        """Their routes."""
        newer = self._openapi.newer
        return [
            newer(method, path, permission, self._answering(handle))
            for method, path, permission, handle in (
                ("POST", f"{_INSTANCES}/createAndDeliver", WRITE_CARD, self._create_and_deliver),
                ("POST", f"{_INSTANCES}/deliver", WRITE_CARD, self._deliver),
                ("POST", _INSTANCES, WRITE_CARD, self._create),
                ("PUT", _INSTANCES, WRITE_CARD, self._update),
                ("PUT", "/v1.0/card/streaming", STREAM_CARD, self._stream),
                ("POST", "/v1.0/card/callbacks/register", WRITE_CARD, self._register),
            )
        ]

    def _answering(
        self, handle: Callable[[_Fields, OpenAPIFault | None], Awaitable[Answer]]
    ) -> Handler:
        async def answer(request: Request) -> Answer:
            fields = await fields_of(request)
            if fields is None:
                return NO_BODY
            try:
                answer = await handle(fields, request.state.fault)
            except CardRefusedError as error:
                return error.status, {"code": error.code, "message": str(error)}
            await self._changes.announce()
            return answer

        return answer

    async def _create_and_deliver(self, fields: _Fields, fault: OpenAPIFault | None) -> Answer:
        creation, targets = read_creation(fields), read_targets(fields)
        self._cards.create(creation)
        results = self._deliver_to(creation.out_track_id, targets, fault)
        result = {"outTrackId": creation.out_track_id, "deliverResults": results}
        return 200, {"success": True, "result": result}

    async def _create(self, fields: _Fields, _: OpenAPIFault | None) -> Answer:
        creation = read_creation(fields)
        self._cards.create(creation)
        return 200, {"success": True, "result": creation.out_track_id}

    async def _deliver(self, fields: _Fields, fault: OpenAPIFault | None) -> Answer:
        targets = read_targets(fields, needs=("deliver",))
        results = self._deliver_to(read_out_track_id(fields), targets, fault)
        return 200, {"success": True, "result": results}

    def _deliver_to(
        self, out_track_id: str, targets: tuple[Target, ...], fault: OpenAPIFault | None
    ) -> list[_Fields]:
        return [self._deliver_result(out_track_id, target, fault) for target in targets]

    def _deliver_result(
        self, out_track_id: str, target: Target, fault: OpenAPIFault | None
    ) -> _Fields:
        if fault is OpenAPIFault.UNDELIVERED:
            return _undelivered(target, "system busy")
        if target.robot_code not in ("", *self._openapi.robot_codes):
            return _undelivered(target, "robotCode is illegal")
        space = self._cards.deliver(out_track_id, target)
        if space is None:
            return _undelivered(target, "spaceId is illegal")
        return {
            "spaceType": space.kind,
            "spaceId": space.id,
            "success": True,
            "carrierId": space.carrier_id,
            "errorMsg": "",
        }

    async def _update(self, fields: _Fields, _: OpenAPIFault | None) -> Answer:
        self._cards.update(read_out_track_id(fields), read_update(fields))
        return 200, {"success": True, "result": True}

    async def _stream(self, fields: _Fields, _: OpenAPIFault | None) -> Answer:
        self._cards.stream(read_frame(fields))
        return 200, {"success": True, "result": True}

    async def _register(self, fields: _Fields, _: OpenAPIFault | None) -> Answer:
        """DingTalk: another URL for a key needs `forceUpdate`."""
        key = fields.get("callbackRouteKey")
        route = CallbackRoute(
            str(fields.get("callbackUrl") or ""), str(fields.get("apiSecret") or "")
        )
        if not isinstance(key, str) or not key or not route.url.startswith(("http://", "https://")):
            raise CardRefusedError("param.callbackUrlInvalid")
        if key in self.callback_routes and fields.get("forceUpdate") is not True:
            return ROUTE_KEY_EXISTS
        self.callback_routes[key] = route
        result = {"callbackUrl": route.url, "apiSecret": route.secret}
        return 200, {"success": True, "result": result}


def _undelivered(target: Target, why: str) -> _Fields:
    return {
        "spaceType": target.kind,
        "spaceId": target.id,
        "success": False,
        "carrierId": "",
        "errorMsg": why,
    }
