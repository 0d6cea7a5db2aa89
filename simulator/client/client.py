"""A client of the simulator's API, for the terminal and for tests."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from dingda.simulator.dingtalk.card import Card, Press
from dingda.simulator.dingtalk.exchange import Exchange, Workers
from dingda.simulator.dingtalk.faults import FaultSettings
from dingda.simulator.dingtalk.members import Organisation
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFaults
from dingda.simulator.dingtalk.openapi_usage import OpenAPIState
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.stream_faults import StreamFaults
from dingda.simulator.dingtalk.stream_pushes import PushRecord
from dingda.simulator.dingtalk.stream_state import StreamState
from dingda.simulator.dingtalk.user_message import Burst, UserMessage
from dingda.simulator.errors import RequestRejectedError, SimulatorUnreachableError

T = TypeVar("T")

_TIMEOUT_S = 10.0
"""Longer than the server waits for the gateway."""
_JSON, _BYTES = "application/json", "application/octet-stream"
_NO_SUCH_PATH = (HTTPStatus.NOT_FOUND, "http")
"""How our servers answer a path that they don't have, as the gateway has none of the API's."""


class SimulatorClient:
    """Speaks to a running simulator; an async context manager.

    Args:
        url: its server's.
        transport: httpx's; None for the network.

    Every method may raise `SimulatorUnreachableError` and `RequestRejectedError`.

    >>> async def say(text: str) -> Record:
    ...     async with SimulatorClient(url) as dingtalk:
    ...         record = await dingtalk.send(UserMessage(text))
    ...         return await dingtalk.record(record.msg_id, wait_s=10)
    >>> asyncio.run(say("咖啡")).acknowledged
    True
    """

    def __init__(self, url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = url
        """The server's."""
        self._http = httpx.AsyncClient(
            base_url=url, transport=transport, trust_env=False, timeout=_TIMEOUT_S
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(self, message: UserMessage) -> Record:
        """Send a message to the bot; returns its record once the gateway has acknowledged it."""
        return await self._fetch(Record.from_json, "POST", "/api/messages", message.to_json())

    async def send_burst(self, message: UserMessage, count: int) -> list[Record]:
        """Send the same message many times at once.

        Returns:
            The records, once the bot has acknowledged each, or has not in time.
        """
        body = Burst(message, count).to_json()
        return await self._fetch(Record.list_from_json, "POST", "/api/bursts", body)

    async def send_callback(
        self, callback: Mapping[str, Any] | bytes, *, verbatim: bool = False
    ) -> Record:
        """Sign and send any body as DingTalk.

        Args:
            callback: of a JSON object msgId, createAt, sessionWebhook and sessionWebhookExpiredTime
                are made fresh, so that the reply shows in the record.
            verbatim: whether it is sent byte for byte instead.
        """
        if not isinstance(callback, bytes):
            callback = json.dumps(callback, ensure_ascii=False).encode()
        path = f"/api/callbacks?verbatim={verbatim:d}"
        return await self._fetch(Record.from_json, "POST", path, callback)

    async def record(self, msg_id: str, *, wait_s: float = 0) -> Record:
        """Look up the record of a message.

        Args:
            msg_id: DingTalk's id of it.
            wait_s: how long to wait for a reply to show, in seconds, at most 60.
        """
        path = f"{_path(msg_id)}?wait_s={wait_s}"
        return await self._fetch(Record.from_json, "GET", path, timeout_s=wait_s + _TIMEOUT_S)

    async def exchange(self, msg_id: str, *, after: int = -1, wait_s: float = 0) -> Exchange:
        """A message, and what the bot has sent of its own accord since.

        Args:
            msg_id: DingTalk's id of it.
            after: the revision that the caller has.
            wait_s: how long to wait for a later one, in seconds, at most 60.
        """
        path = f"{_path(msg_id, '/exchange')}?after={after}&wait_s={wait_s}"
        return await self._fetch(Exchange.from_json, "GET", path, timeout_s=wait_s + _TIMEOUT_S)

    async def workers(self) -> Workers:
        """The bot's workers that are alive."""
        return await self._fetch(Workers.from_json, "GET", "/api/workers")

    async def records(self) -> list[Record]:
        """Every message that is remembered, the oldest first."""
        return await self._fetch(Record.list_from_json, "GET", "/api/messages")

    async def redeliver(self, msg_id: str) -> Record:
        """Send the same callback again, as DingTalk does."""
        return await self._fetch(Record.from_json, "POST", _path(msg_id, "/redeliver"), b"{}")

    async def expire(self, msg_id: str) -> Record:
        """Close a message's session now, whatever its callback said."""
        return await self._fetch(Record.from_json, "POST", _path(msg_id, "/expire"), b"{}")

    async def as_curl(self, msg_id: str) -> str:
        """A message's callback as a command for the shell."""
        return await self._fetch(bytes.decode, "GET", _path(msg_id, "/curl"))

    async def as_test(self, msg_id: str) -> str:
        """A message and its replies as a test for pytest."""
        return await self._fetch(bytes.decode, "GET", _path(msg_id, "/test"))

    async def faults(self) -> FaultSettings:
        """What goes wrong at present."""
        return await self._fetch(FaultSettings.from_json, "GET", "/api/bad-day")

    async def set_faults(self, faults: FaultSettings) -> None:
        """Choose what goes wrong from now on."""
        await self._fetch(FaultSettings.from_json, "PUT", "/api/bad-day", faults.to_json())

    async def stream_state(self) -> StreamState:
        """The Stream connections, and what became of the pushes."""
        return await self._fetch(StreamState.from_json, "GET", "/api/stream")

    async def disconnect_streams(self, reason: str) -> None:
        """Tell every Stream connection to disconnect, as DingTalk does before it cuts it."""
        body = json.dumps({"reason": reason}).encode()
        await self._fetch(bytes, "POST", "/api/stream/disconnect", body)

    async def cut_streams(self) -> None:
        """Cut the TCP connection of every Stream connection, without a word."""
        await self._fetch(bytes, "POST", "/api/stream/cut", b"{}")

    async def push_event(self, event_type: str, data: Mapping[str, Any]) -> PushRecord:
        """Push an event; returns once the first delivery has ended."""
        body = json.dumps({"eventType": event_type, "data": data}).encode()
        return await self._fetch(PushRecord.from_json, "POST", "/api/stream/events", body)

    async def push_card_callback(self, press: Mapping[str, Any]) -> PushRecord:
        """Push the press of a card's button, by the fields of `CardPress`."""
        body = json.dumps(press).encode()
        return await self._fetch(PushRecord.from_json, "POST", "/api/stream/card-callbacks", body)

    async def push_frame(self, frame: Mapping[str, Any]) -> PushRecord:
        """Push any frame, by the fields of `FramePush`."""
        body = json.dumps(frame).encode()
        return await self._fetch(PushRecord.from_json, "POST", "/api/stream/frames", body)

    async def pushes(self) -> list[PushRecord]:
        """What became of the latest events, card callbacks and other frames, the oldest first."""
        return await self._fetch(PushRecord.list_from_json, "GET", "/api/stream/pushes")

    async def stream_faults(self) -> StreamFaults:
        """What goes wrong with Stream connections at present."""
        return await self._fetch(StreamFaults.from_json, "GET", "/api/stream/faults")

    async def set_stream_faults(self, faults: StreamFaults) -> None:
        """Choose what goes wrong with Stream connections from now on."""
        await self._fetch(StreamFaults.from_json, "PUT", "/api/stream/faults", faults.to_json())

    async def cards(self) -> list[Card]:
        """Every card that is remembered, the oldest first."""
        return await self._fetch(Card.list_from_json, "GET", "/api/cards")

    async def card(self, out_track_id: str) -> Card:
        """A card as it is now."""
        return await self._fetch(Card.from_json, "GET", _card_path(out_track_id))

    async def press(
        self,
        out_track_id: str,
        *,
        staff_id: str,
        action_id: str,
        params: Mapping[str, Any] | None = None,
    ) -> Press:
        """Press a card's button; returns once it is answered, or the client waits no longer.

        Args:
            out_track_id: the card.
            staff_id: who presses.
            action_id: the button that this person sees.
            params: what it sends, whatever is drawn; None for what the button carries.
        """
        body = {"staff_id": staff_id, "action_id": action_id, "params": params}
        path = _card_path(out_track_id, "/press")
        return await self._fetch(Press.from_json, "POST", path, json.dumps(body).encode())

    async def organisation(self) -> Organisation:
        """The members of the organisation."""
        return await self._fetch(Organisation.from_json, "GET", "/api/organisation")

    async def set_organisation(self, organisation: Organisation) -> None:
        """Choose the members from now on; whoever has written to the bot is known besides."""
        body = organisation.to_json()
        await self._fetch(Organisation.from_json, "PUT", "/api/organisation", body)

    async def openapi_state(self) -> OpenAPIState:
        """The calls of the OpenAPI so far, and what is left of the quotas."""
        return await self._fetch(OpenAPIState.from_json, "GET", "/api/openapi")

    async def set_openapi_faults(self, faults: OpenAPIFaults) -> None:
        """Choose what goes wrong with the OpenAPI from now on."""
        await self._fetch(OpenAPIFaults.from_json, "PUT", "/api/openapi/faults", faults.to_json())

    async def give_file(self, name: str, content: bytes) -> str:
        """Give a file for a user's message to hold; returns its id, for `UserMessage.file`."""
        path = f"/api/files?name={quote(name)}"
        body = await self._fetch(bytes, "POST", path, content, content_type=_BYTES)
        file_id: str = json.loads(body)["id"]
        return file_id

    async def media(self, media_id: str) -> bytes:
        """A file that the bot uploaded."""
        return await self._fetch(bytes, "GET", f"/api/media/{quote(media_id, safe='')}")

    async def follow(self) -> AsyncIterator[Record]:
        """Every record that is remembered, and then each again whenever it changes, without end."""
        try:
            async with self._http.stream("GET", "/api/events", timeout=None) as response:
                is_record = False
                async for line in response.aiter_lines():
                    if line.startswith("event:"):
                        is_record = line == "event: record"
                    elif is_record and line.startswith("data: "):
                        yield Record.from_json(line.removeprefix("data: ").encode())
        except httpx.TransportError:
            raise self._unreachable() from None

    async def _fetch(
        self,
        read: Callable[[bytes], T],
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str = _JSON,
        timeout_s: float = _TIMEOUT_S,
    ) -> T:
        headers = {} if body is None else {"Content-Type": content_type}
        try:
            response = await self._http.request(
                method, path, content=body, headers=headers, timeout=timeout_s
            )
        except httpx.TransportError:
            raise self._unreachable() from None
        with suppress(ValueError, KeyError, TypeError):
            if response.is_success:
                return read(response.content)
            refusal = response.json()
            if (response.status_code, refusal["error"]) != _NO_SUCH_PATH:
                raise RequestRejectedError(refusal["detail"])
        raise RequestRejectedError(
            f"What answers at {self.url} (status {response.status_code}) is not the "
            "simulator. Name it with DINGDA_SIMULATOR_URL."
        )

    def _unreachable(self) -> SimulatorUnreachableError:
        return SimulatorUnreachableError(
            f"Nothing answers at {self.url}. Start it with `dingda demo`, or name another with "
            "DINGDA_SIMULATOR_URL."
        )


def _card_path(out_track_id: str, what: str = "") -> str:
    return f"/api/cards/{quote(out_track_id, safe='')}{what}"


def _path(msg_id: str, what: str = "") -> str:
    return f"/api/messages/{quote(msg_id, safe='')}{what}"
