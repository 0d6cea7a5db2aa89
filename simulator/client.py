"""A client of the simulator's API, for the terminal and for tests."""

from typing import Self
from urllib.parse import quote

import httpx

from simulator.callback import Said
from simulator.errors import RequestRefusedError, SimulatorAwayError
from simulator.record import Record

_ANSWER_S = 10.0
"""Longer than the server waits for the gateway."""


class SimulatorClient:
    """Speaks to a simulator that runs elsewhere; an async context manager.

    Args:
        url: where its server is.
        transport: how to get there; None for the network.

    Every method may raise `SimulatorAwayError` and `RequestRefusedError`.
    """

    def __init__(self, url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._http = httpx.AsyncClient(base_url=url, transport=transport, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def send(self, said: Said) -> Record:
        """Say something to the bot; the record is that of the moment after the acknowledgement."""
        headers = {"Content-Type": "application/json"}
        return await self._fetch(
            self._http.build_request(
                "POST", "/api/messages", content=said.to_json(), headers=headers, timeout=_ANSWER_S
            )
        )

    async def record(self, msg_id: str, *, wait_s: float = 0) -> Record:
        """Look up what became of a message.

        Args:
            msg_id: DingTalk's id of it.
            wait_s: how long to wait for a reply to show, in seconds, at most 60.
        """
        path = f"/api/messages/{quote(msg_id, safe='')}?wait_s={wait_s}"
        return await self._fetch(self._http.build_request("GET", path, timeout=wait_s + _ANSWER_S))

    async def _fetch(self, request: httpx.Request) -> Record:
        try:
            response = await self._http.send(request)
        except httpx.TransportError:
            raise SimulatorAwayError(
                f"Nothing answers at {self._url}. Start it with `make demo`, or name another with "
                "DINGDA_SIMULATOR_URL."
            ) from None
        try:
            if response.is_success:
                return Record.from_json(response.content)
            raise RequestRefusedError(response.json()["detail"])
        except (ValueError, KeyError, TypeError):
            raise RequestRefusedError(
                f"What answers at {self._url} (status {response.status_code}) is not the "
                "simulator. Name it with DINGDA_SIMULATOR_URL."
            ) from None
