"""Carries the presses of cards' buttons to the bot, and waits as long as DingTalk's clients do.

Facts: DingTalk's page on the callbacks of cards: the signature covers the time only, and a client
waits for two seconds.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import httpx

from dingda.simulator.backends.card_api import CallbackRoute
from dingda.simulator.dingtalk.card import Card, Press
from dingda.simulator.dingtalk.cards import Cards
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.stream_commands import CardPress
from dingda.simulator.dingtalk.stream_pushes import PushRecord, StreamPushes

PATIENCE_S = 2.0
"""DingTalk: how long a client waits for the answer to a press."""
_TOO_LATE = f"The bot did not answer within {PATIENCE_S:g} s, and a client waits no longer."
_NO_ROUTE = "No URL is registered for the card's callbackRouteKey."
_NO_CALLBACK = "The card was created without a callbackType: its presses go nowhere."
_NO_CONNECTION = "No Stream connection takes card callbacks, or none acknowledged this one."


class CardPresses:
    """Presses buttons.

    Args:
        cards: keeps the cards.
        routes: the addresses of HTTP callbacks, by callbackRouteKey.
        pushes: sends callbacks through Stream connections.
        changes: announces presses and their answers.
        now_ms: the clock of the signatures, in ms since 1970.
        transport: how to get to the bot over HTTP; None for the network.
    """

    def __init__(
        self,
        cards: Cards,
        routes: Mapping[str, CallbackRoute],
        pushes: StreamPushes,
        changes: ChangeNotifier,
        *,
        now_ms: Callable[[], int],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._cards = cards
        self._routes = routes
        self._pushes = pushes
        self._changes = changes
        self._now_ms = now_ms
        self._transport = transport
        self._late: set[asyncio.Task[PushRecord]] = set()

    async def press(
        self, card: Card, staff_id: str, action_id: str, params: Mapping[str, Any]
    ) -> Press:
        """Press a button; returns once it is answered, or the client waits no longer."""
        press = self._cards.begin_press(card.out_track_id, staff_id, action_id, params)
        await self._changes.announce()
        group = next((space.id for space in card.spaces if space.kind == "IM_GROUP"), "")
        callback = CardPress(card.out_track_id, staff_id, (action_id,), press.params, group)
        match card.callback:
            case "HTTP":
                answer = await self._post(card.callback_route_key, callback)
            case "STREAM":
                answer = await self._push(callback)
            case _:
                answer = {"problem": _NO_CALLBACK}
        ended = self._cards.end_press(card.out_track_id, press, **answer)
        await self._changes.announce()
        return ended

    async def _post(self, route_key: str, callback: CardPress) -> dict[str, Any]:
        route = self._routes.get(route_key)
        if route is None:
            return {"problem": _NO_ROUTE}
        headers = {"Content-Type": "application/json", **_signature(route, self._now_ms())}
        try:
            async with (
                asyncio.timeout(PATIENCE_S),
                httpx.AsyncClient(transport=self._transport, trust_env=False, timeout=None) as http,  # noqa: S113 - the whole of it is limited
            ):
                response = await http.post(route.url, content=callback.to_body(), headers=headers)
        except TimeoutError:
            return {"problem": _TOO_LATE}
        except httpx.HTTPError as error:
            return {"problem": f"{route.url} gave no answer ({type(error).__name__})."}
        return {"status": response.status_code, "response": _object(response.content)}

    async def _push(self, callback: CardPress) -> dict[str, Any]:
        sending = asyncio.create_task(self._pushes.send("", uuid4().hex, callback.to_push()))
        # A push goes on when its client has given up: it may be acknowledged late, or come again.
        self._late.add(sending)
        sending.add_done_callback(self._late.discard)
        done, _ = await asyncio.wait({sending}, timeout=PATIENCE_S)
        if not done:
            return {"problem": _TOO_LATE}
        acks = sending.result().acks
        if not acks:
            return {"problem": _NO_CONNECTION}
        response = acks[-1].data.get("response")
        return {
            "status": acks[-1].code,
            "response": response if isinstance(response, dict) else None,
        }


def _signature(route: CallbackRoute, now_ms: int) -> dict[str, str]:
    if not route.secret:
        return {}
    timestamp = str(now_ms)
    digest = hmac.digest(route.secret.encode(), timestamp.encode(), hashlib.sha256)
    return {
        "x-ddpaas-signature-timestamp": timestamp,
        "x-ddpaas-signature": base64.b64encode(digest).decode(),
    }


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
