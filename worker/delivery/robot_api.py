"""Messages of an application's robot, by DingTalk's OpenAPI: one POST each, and what it means.

Sources: DingTalk's pages on oToMessages/batchSend and groupMessages/send.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any

from dingda.worker.delivery.classify import classify, parse_object
from dingda.worker.delivery.outcome import (
    Delivered,
    DeliveryOutcome,
    FailureKind,
    Rejected,
    Retry,
    Unknown,
)
from dingda.worker.delivery.post import PostResponse, post
from dingda.worker.delivery.transport import BeforeSend, Transport
from dingda.worker.errors import BackendBusyError, BackendError, BackendUnavailableError
from dingda.worker.services.access_token import TOKEN_HEADER, AccessToken, is_unknown_token

_MAX_CODE_CHARS = 80
_LEAST_PAUSE_S = 1.0
"""How long a call over the limit per second waits: DingTalk counts by the second."""
_NOT_REACHED = ("invalidStaffIdList", "filteredStaffIdList")
_SENT_TOO_FAST = frozenset({"send.too.fast", "send.byToken.tooFast"})
_SINGLE, _GROUP = "/v1.0/robot/oToMessages/batchSend", "/v1.0/robot/groupMessages/send"


class RobotApi:
    """Sends messages in a robot's name; their bodies are made by `private.to_private_body`.

    Args:
        transport: see `post.create_reply_transport`.
        token: of the application that the robot belongs to.
        robot_code: the robot's.
        openapi_url: `https://api.dingtalk.com`.
    """

    def __init__(
        self, transport: Transport, token: AccessToken, *, robot_code: str, openapi_url: str
    ) -> None:
        self._transport = transport
        self._token = token
        self._robot_code = robot_code
        self._openapi_url = openapi_url

    async def send_to_user(
        self, staff_id: str, body: bytes, *, before_send: BeforeSend, timeout_s: float, what: str
    ) -> DeliveryOutcome:
        """Send a message to somebody's single chat, once; see `SendChannel.send`.

        Args:
            staff_id: whose.
            body: the message.
            before_send: claims the right to send.
            timeout_s: seconds until the deadline.
            what: begins the reason of a failure, such as `private`.
        """
        recipient = {"userIds": [staff_id]}
        response = await self._post(_SINGLE, recipient, body, before_send, timeout_s, what)
        if not isinstance(response, PostResponse):
            return response
        return _classify(response, what, staff_id)

    async def send_to_group(
        self,
        conversation_id: str,
        body: bytes,
        *,
        before_send: BeforeSend,
        timeout_s: float,
        what: str,
    ) -> DeliveryOutcome:
        """Send a message to a group that the robot is in, once; otherwise as `send_to_user`.

        Args:
            conversation_id: the group's openConversationId.
            body: the message.
            before_send: claims the right to send.
            timeout_s: seconds until the deadline.
            what: begins the reason of a failure.
        """
        recipient = {"openConversationId": conversation_id}
        response = await self._post(_GROUP, recipient, body, before_send, timeout_s, what)
        return _classify(response, what) if isinstance(response, PostResponse) else response

    def expect_to_user(self) -> AbstractContextManager[None]:
        """Keep a connection ready; see `SendChannel.expect`."""
        return self._transport.expect(self._openapi_url + _SINGLE)

    async def _post(
        self,
        path: str,
        recipient: Mapping[str, Any],
        body: bytes,
        before_send: BeforeSend,
        timeout_s: float,
        what: str,
    ) -> PostResponse | DeliveryOutcome:
        try:
            async with asyncio.timeout(timeout_s):
                token = await self._token.get()
        except (BackendUnavailableError, BackendBusyError, TimeoutError) as error:
            return Retry(FailureKind.BUSY, f"{what}: no access token ({type(error).__name__})")
        except BackendError as error:
            return Rejected(f"{what}: no access token: {error.reason}")
        fields = {"robotCode": self._robot_code, **recipient, **json.loads(body)}
        response = await post(
            self._transport,
            self._openapi_url + path,
            json.dumps(fields, ensure_ascii=False).encode(),
            headers={TOKEN_HEADER: token},
            before_send=before_send,
            timeout_s=timeout_s,
        )
        if isinstance(response, PostResponse) and is_unknown_token(
            response.status, parse_object(response.body)
        ):
            await self._token.forget(token)
        return response


def _classify(response: PostResponse, what: str, staff_id: str = "") -> DeliveryOutcome:
    """Decide the outcome of a message: a 200 may still say that it was not sent."""
    whom = "sender" if what == "private" else "user"
    fields = parse_object(response.body) or {}
    code = str(fields.get("code", ""))[:_MAX_CODE_CHARS]
    reason = f"{what}: HTTP {response.status} {code}".strip()
    if response.status == HTTPStatus.OK:
        if any(_lists(fields, name, staff_id) for name in _NOT_REACHED):
            return Rejected(f"{what}: DingTalk doesn't reach the {whom} by this userid")
        if _lists(fields, "flowControlledStaffIdList", staff_id):
            return Retry(FailureKind.THROTTLED, f"{what}: flow control")
        if fields.get("processQueryKey"):
            return Delivered()
        return Unknown(f"{what}: an answer without processQueryKey")
    if is_unknown_token(response.status, fields):
        return Retry(FailureKind.TOKEN, reason)
    if "QpmLimit" in code:
        return Retry(FailureKind.THROTTLED, reason)
    if code in _SENT_TOO_FAST or "QpsLimit" in code:
        return Retry(FailureKind.BUSY, reason, max(response.retry_after_s, _LEAST_PAUSE_S))
    is_final = response.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if is_final and code and response.status != HTTPStatus.TOO_MANY_REQUESTS:
        return Rejected(reason)
    return classify(response.status, response.retry_after_s, response.body)


def _lists(fields: Mapping[str, Any], name: str, staff_id: str) -> bool:
    listed = fields.get(name)
    return isinstance(listed, list) and staff_id in listed
