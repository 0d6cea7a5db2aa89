"""The address of card callbacks: what DingTalk POSTs when somebody presses a button of a card.

Source: DingTalk's page on the callbacks of cards. Its signature covers the time alone, as that of a
robot's callback does; the secret is one that we register together with the address.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from dingda.gateway.http.body import BodyReader, check_length, drain
from dingda.gateway.http.rejection import RejectedError
from dingda.gateway.receiver import Ack, Busy, Invalid, Misdirected, Receiver
from dingda.gateway.throttled_log import ThrottledLog
from dingda.shared.dingtalk.card import callback_secret
from dingda.shared.dingtalk.card_action import response_to
from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.dingtalk.signature import verify_card_callback
from dingda.shared.errors import InvalidSignatureError

logger = logging.getLogger(__name__)

CARD_PATH = "/card"
_TIMESTAMP, _SIGNATURE = "x-ddpaas-signature-timestamp", "x-ddpaas-signature"


class CardCallback:
    """The endpoint.

    Args:
        robots: those whose cards' presses are taken.
        receiver: stores them.
        now_ms: the clock, in ms since 1970.
    """

    def __init__(self, robots: Robots, receiver: Receiver, now_ms: Callable[[], int]) -> None:
        signers = [(callback_secret(secret), robot) for robot in robots for secret in robot.secrets]
        self._secrets = [secret for secret, _ in signers]
        self._signers = [robot for _, robot in signers]
        self._receiver = receiver
        self._now_ms = now_ms
        self._bodies = BodyReader()
        self._log = ThrottledLog(logger)

    @property
    def routes(self) -> list[BaseRoute]:
        """Where it is."""
        return [Route(CARD_PATH, self._respond, methods=["POST"])]

    async def _respond(self, request: Request) -> Response:
        try:
            robot = self._find_signer(request)
            check_length(request.headers.get("content-length", "0").encode())
            body = await self._bodies.read(request.receive)
            return _acknowledge(await self._receiver.receive_card_action(body, robot), body)
        except RejectedError as rejected:
            self._log.note(rejected.reason, "rejected a press (%d so far): %s", rejected.detail)
            if rejected.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                await drain(request.receive)
            content = {"error": rejected.reason, "detail": rejected.detail}
            return JSONResponse(content, rejected.status, {"connection": "close"})
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)

    def _find_signer(self, request: Request) -> Robot:
        """The robot whose address it was registered as."""
        try:
            index = verify_card_callback(
                request.headers.get(_TIMESTAMP, "").encode(),
                request.headers.get(_SIGNATURE, "").encode(),
                secrets=self._secrets,
                now_ms=self._now_ms(),
            )
        except InvalidSignatureError as error:
            raise RejectedError(HTTPStatus.UNAUTHORIZED, error.reason, str(error)) from None
        return self._signers[index]


def _acknowledge(ack: Ack, body: bytes) -> Response:
    match ack:
        case Busy(reason):
            # Whoever pressed sees that it failed, and presses again.
            raise RejectedError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", reason)
        case Invalid(reason) | Misdirected(reason):
            raise RejectedError(HTTPStatus.BAD_REQUEST, "body", reason)
        case _:
            return JSONResponse(response_to(body))
