"""Carries callbacks to the gateway, as patiently as DingTalk does and no more."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

import httpx

from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.errors import CallbackUnansweredError, Unanswered

RESPONSE_TIMEOUT_S = 2.5
"""DingTalk: a callback over HTTP has about two and a half seconds."""
# uvicorn hangs up on idle connections after 5 s; reusing one at that very moment would fail.
_KEEPALIVE_S = 2.0


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """The gateway's response to a callback."""

    status: int
    body: str


class Sender(Protocol):
    """Carries callbacks to the bot, over HTTP or over its Stream connections."""

    callback_url: str
    """Where the gateway takes callbacks over HTTP."""

    async def deliver(self, callback: SignedCallback) -> GatewayResponse:
        """Deliver a callback and return the response, whatever it is.

        Raises:
            CallbackUnansweredError: if there is none in time.
        """

    async def aclose(self) -> None:
        """End what goes on."""


class CallbackSender:
    """Sends callbacks to one address.

    Args:
        callback_url: the gateway's message-receiving address.
        timeout_s: how long to wait for the response, in seconds; shorter in tests.
        is_supervised: whether a gateway that died is started again by itself, as in the demo.
        transport: how to get there; None for the network.
    """

    def __init__(
        self,
        callback_url: str,
        *,
        timeout_s: float = RESPONSE_TIMEOUT_S,
        is_supervised: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.callback_url = callback_url
        self._patience_s = timeout_s
        self._is_supervised = is_supervised
        self._client = httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # noqa: S113 - `deliver` limits the whole of it
            limits=httpx.Limits(keepalive_expiry=_KEEPALIVE_S),
        )

    async def deliver(self, callback: SignedCallback) -> GatewayResponse:
        """POST a callback and return the response, whatever its status.

        Raises:
            CallbackUnansweredError: if there is none in time.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                response = await self._client.post(
                    self.callback_url, content=callback.body, headers=callback.headers
                )
        except httpx.ConnectError:
            raise CallbackUnansweredError(Unanswered.UNREACHABLE, self._unreachable()) from None
        except TimeoutError:
            raise CallbackUnansweredError(
                Unanswered.TOO_LATE,
                f"{self.callback_url} did not answer within {self._patience_s:g} s, and DingTalk "
                "waits no longer. The gateway's log may say why.",
            ) from None
        except httpx.HTTPError as error:
            raise CallbackUnansweredError(
                Unanswered.NOT_HTTP,
                f"{self.callback_url} gave no answer that is HTTP ({type(error).__name__}). "
                "Is it the gateway that listens there?",
            ) from None
        return GatewayResponse(response.status_code, response.text)

    def _unreachable(self) -> str:
        if self._is_supervised:
            return (
                f"Nothing answers at {self.callback_url} just now. The demo starts its gateway "
                "again within seconds: then send the message again."
            )
        return (
            f"Nothing answers at {self.callback_url}. Start the gateway with `dingda gateway`, or "
            "everything with `dingda demo`; another address is named by "
            "DINGDA_SIMULATOR_CALLBACK_URL."
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
