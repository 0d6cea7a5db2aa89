"""Carries callbacks to the bot over its Stream connections."""

from collections.abc import Awaitable, Callable

from dingda.shared.dingtalk.fields import string
from dingda.simulator.dingtalk.rules import parse_reply
from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_frames import (
    ROBOT_TOPIC,
    Outcome,
    Push,
    StreamAck,
    Undelivered,
)
from dingda.simulator.errors import CallbackUnansweredError, Unanswered
from dingda.simulator.http.callback_sender import GatewayResponse

NO_CONNECTION = """\
No Stream connection is open. Start one with `dingda stream`, or everything with \
`dingda demo --stream`; DINGDA_SIMULATOR_MODE=http sends callbacks to the gateway instead."""
_NO_ACK = """\
The Stream connection that was picked did not acknowledge it in time. It comes again, and what \
becomes of that is added here. The log of `dingda stream` may say why."""


class StreamSender:
    """Sends callbacks to their robot's connections, as `CallbackSender` does over HTTP.

    Args:
        stream: the connections.
        client_id_of: the application of a callback's `robotCode`, which may be "".
        callback_url: where the gateway takes the same callbacks over HTTP.
        note: called with what each redelivery of a message ended with.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        client_id_of: Callable[[str], str],
        callback_url: str,
        note: Callable[[str, GatewayResponse], Awaitable[None]],
    ) -> None:
        self.callback_url = callback_url
        self._stream = stream
        self._client_id_of = client_id_of
        self._note = note

    async def deliver(self, callback: SignedCallback) -> GatewayResponse:
        """Push a callback and return its ack: the code as status, and the whole frame.

        Raises:
            CallbackUnansweredError: if there is none in time.
        """

        async def note(outcome: Outcome) -> None:
            if isinstance(outcome, StreamAck):
                await self._note(callback.msg_id, _response(outcome))

        # A frame is text; what is not has no form in it.
        push = Push("CALLBACK", ROBOT_TOPIC, callback.body.decode("utf-8", "replace"))
        client_id = self._client_id_of(string(parse_reply(callback.body) or {}, "robotCode"))
        match await self._stream.deliver(client_id, push, on_redelivery=note):
            case StreamAck() as ack:
                return _response(ack)
            case Undelivered.NO_CONNECTION:
                raise CallbackUnansweredError(Unanswered.NO_CONNECTION, NO_CONNECTION)
            case Undelivered.NO_ACK:
                raise CallbackUnansweredError(Unanswered.NO_ACK, _NO_ACK)

    async def aclose(self) -> None:
        """End the redeliveries."""
        await self._stream.close()


def _response(ack: StreamAck) -> GatewayResponse:
    # Not only its data, which is no reply whatever it holds: replies never go through an ack.
    return GatewayResponse(ack.code, ack.text)
