"""`POST /push`: other systems let the bot speak. A push is stored first, then acknowledged.

It has its place beside the health checks, so callbacks pass it by.
"""

import hmac
import logging
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dingda.gateway.http.body import BodyReader, drain
from dingda.gateway.http.rejection import RejectedError
from dingda.gateway.receiver import Busy, Duplicate, Invalid, Receiver
from dingda.gateway.throttled_log import ThrottledLog
from dingda.shared.dingtalk.card import Card
from dingda.shared.dingtalk.fields import mapping, read_object
from dingda.shared.dingtalk.groups import Groups
from dingda.shared.dingtalk.push import Push, read_target
from dingda.shared.dingtalk.reply_reading import read_reply
from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.errors import InvalidMessageError, InvalidReplyError
from dingda.shared.runtime.settings import Settings

logger = logging.getLogger(__name__)

_TRY_AGAIN_S = 5
"""What a client is told to wait when nothing can be stored, in seconds."""


def push_routes(settings: Settings, receiver: Receiver) -> list[Route]:
    """The route of pushes; none unless `DINGDA_PUSH_TOKEN` is set."""
    token = settings.push_token.get_secret_value()
    if not token:
        return []
    push = PushEndpoint(token, robots=settings.robots, groups=settings.groups, receiver=receiver)
    return [Route("/push", push.respond, methods=["POST"])]


class PushEndpoint:
    """Takes pushes from whoever has the token.

    Args:
        token: what a request must show.
        robots: those that may speak.
        groups: by their names.
        receiver: stores the pushes.
    """

    def __init__(self, token: str, *, robots: Robots, groups: Groups, receiver: Receiver) -> None:
        self._token = token.encode()
        self._robots = robots
        self._groups = groups
        self._receiver = receiver
        self._bodies = BodyReader()
        self._log = ThrottledLog(logger)

    async def respond(self, request: Request) -> Response:
        """Store one push: 202 with its id, or 200 if it is known already; 503 if it is not stored.

        A body is DingTalk's own JSON of a robot's message ("robot-message-type") and `to`:
        `{"to": {"group": "ops"}, "msgtype": "text", "text": {"content": "部署完成"}}`.
        """
        try:
            self._check_token(request)
            body = await self._bodies.read(request.receive)
            push, robot = self._read(body, key=_key(request))
            ack = await self._receiver.receive_push(push, robot)
            if isinstance(ack, Invalid):
                raise _bad("body", ack.reason)
        except RejectedError as rejected:
            self._log.note(rejected.reason, "a push is rejected (%d so far): %s", rejected.detail)
            return await _reject(rejected, request)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        if isinstance(ack, Busy):
            logger.warning("a push is not stored: %s", ack.reason)
            detail = "the bot can't store it now; send it again, with the same Idempotency-Key"
            busy = {"error": "busy", "detail": detail}
            again = {"retry-after": str(_TRY_AGAIN_S)}
            return JSONResponse(busy, HTTPStatus.SERVICE_UNAVAILABLE, again)
        is_known = isinstance(ack, Duplicate)
        status = HTTPStatus.OK if is_known else HTTPStatus.ACCEPTED
        return JSONResponse({"id": push.envelope(robot.code, now_ms=0).id}, status)

    def _check_token(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(token.strip().encode("latin-1"), self._token)
        if not (is_right and scheme.lower() == "bearer"):
            detail = "Authorization: Bearer <DINGDA_PUSH_TOKEN> is missing or wrong"
            raise RejectedError(HTTPStatus.UNAUTHORIZED, "token", detail)

    def _read(self, body: bytes, *, key: str) -> tuple[Push, Robot]:
        """Read a push and find the robot that is to speak.

        Raises:
            RejectedError: 400 with what is to be changed.
        """
        try:
            fields = read_object(body)
            target = read_target(mapping(fields.get("to")))
            push = Push(target, key, read_reply(fields))
        except (InvalidMessageError, InvalidReplyError) as error:
            raise _bad("body", str(error)) from None
        if isinstance(push.reply, Card):  # its buttons would act in the name of a skill
            raise _bad("body", "msgtype: a card is made by a skill alone")
        robot = self._find_robot(fields.get("robot"))
        has_account = bool(robot.app_key and robot.secrets)
        if why_not := self._groups.why_not(target, has_account=has_account):
            raise _bad("to", f"to: {why_not}")
        return push, robot

    def _find_robot(self, name: object) -> Robot:
        robots = tuple(self._robots)
        if name is None and len(robots) == 1:
            return robots[0]
        for robot in robots:
            if name in (robot.label, robot.code):
                return robot
        raise _bad("robot", "robot: name one of the robots by its name or code")


def _key(request: Request) -> str:
    # Starlette reads headers as Latin-1, and people write them in UTF-8.
    try:
        key = request.headers.get("idempotency-key", "").encode("latin-1").decode()
    except UnicodeDecodeError:
        raise _bad("key", "the header Idempotency-Key is not UTF-8") from None
    if not key:
        raise _bad("key", "the header Idempotency-Key is missing: what tells this push apart")
    return key


def _bad(reason: str, detail: str) -> RejectedError:
    return RejectedError(HTTPStatus.BAD_REQUEST, reason, detail)


async def _reject(rejected: RejectedError, request: Request) -> Response:
    headers = {}
    if rejected.status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if rejected.status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT):
        headers["connection"] = "close"
    if rejected.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        await drain(request.receive)
    content = {"error": rejected.reason, "detail": rejected.detail}
    return JSONResponse(content, rejected.status, headers)
