"""Replies to the sender alone, in the single chat with the robot, by DingTalk's OpenAPI.

Source: DingTalk's page on oToMessages/batchSend.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any

from dingda.shared.dingtalk.card import Card
from dingda.shared.dingtalk.markdown import link
from dingda.shared.dingtalk.media import PICTURE_TITLE, FileMessage, Image, picture_markdown
from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import ActionCard, FeedCard, Markdown, Reply, Text
from dingda.shared.errors import InvalidReplyError
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

MAX_PRIVATE_BYTES = 15_000
"""DingTalk's limit for a msgParam in groups; it documents none for a single chat."""
_MAX_VERTICAL_BUTTONS = 5
_MAX_CODE_CHARS = 80
_LEAST_PAUSE_S = 1.0
"""How long a call over the limit per second waits: DingTalk counts by the second."""
_NOT_REACHED = ("invalidStaffIdList", "filteredStaffIdList")
_SENT_TOO_FAST = frozenset({"send.too.fast", "send.byToken.tooFast"})


class PrivateChannel:
    """A `SendChannel` to the sender's single chat; its bodies are made by `to_private_body`.

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
        self._url = f"{openapi_url}/v1.0/robot/oToMessages/batchSend"

    async def send(
        self, message: Message, body: bytes, *, before_send: BeforeSend, timeout_s: float
    ) -> DeliveryOutcome:
        """Send a reply to the message's sender, once; see `SendChannel`."""
        try:
            async with asyncio.timeout(timeout_s):
                token = await self._token.get()
        except (BackendUnavailableError, BackendBusyError, TimeoutError) as error:
            return Retry(FailureKind.BUSY, f"private: no access token ({type(error).__name__})")
        except BackendError as error:
            return Rejected(f"private: no access token: {error.reason}")
        staff_id = message.sender_staff_id
        recipient = {"robotCode": self._robot_code, "userIds": [staff_id]}
        response = await post(
            self._transport,
            self._url,
            json.dumps({**recipient, **json.loads(body)}, ensure_ascii=False).encode(),
            headers={TOKEN_HEADER: token},
            before_send=before_send,
            timeout_s=timeout_s,
        )
        if not isinstance(response, PostResponse):
            return response
        if is_unknown_token(response.status, parse_object(response.body)):
            await self._token.forget(token)
        return _classify(response, staff_id)

    def expect(self, _: Message) -> AbstractContextManager[None]:
        """Keep a connection ready; see `SendChannel`."""
        return self._transport.expect(self._url)


def to_private_body(reply: Reply) -> bytes:
    """Encode a reply for the robot's API: UTF-8 JSON with its msgKey and msgParam.

    Nobody is mentioned in a single chat.
    """
    if isinstance(reply, Card):
        raise InvalidReplyError("card", "is no message: see worker.delivery.card")
    key, values = _template(reply)
    parameters = json.dumps(values, ensure_ascii=False)
    return json.dumps({"msgKey": key, "msgParam": parameters}, ensure_ascii=False).encode()


def _template(
    reply: Text | Markdown | ActionCard | FeedCard | Image | FileMessage,
) -> tuple[str, dict[str, str]]:
    """The robot's message template for a reply (msgKey), and its values (msgParam).

    Links are paragraphs: inside a list they can't be clicked in a single chat.
    """
    match reply:
        case Text(content):
            return "sampleText", {"content": content}
        case Markdown(title, text):
            return "sampleMarkdown", {"title": title, "text": text}
        case ActionCard(title, text, link=single) if single:
            values = {"singleTitle": single.title, "singleURL": single.url}
            return "sampleActionCard", {"title": title, "text": text, **values}
        case ActionCard(title, text, buttons=buttons) if len(buttons) <= _MAX_VERTICAL_BUTTONS:
            values = {}
            for number, button in enumerate(buttons, start=1):
                values |= {f"actionTitle{number}": button.title, f"actionURL{number}": button.url}
            return f"sampleActionCard{len(buttons)}", {"title": title, "text": text, **values}
        case ActionCard(title, text, buttons=buttons):
            links = (link(button.title, button.url) for button in buttons)
            return "sampleMarkdown", {"title": title, "text": "\n\n".join((text, *links))}
        case FeedCard(feed):
            links = (link(row.title, row.url) for row in feed)
            return "sampleMarkdown", {"title": feed[0].title, "text": "\n\n".join(links)}
        case Image():
            return _picture_template(reply)
        case FileMessage(media_id, name):
            values = {"mediaId": media_id, "fileName": name, "fileType": reply.type}
            return "sampleFile", values


def _picture_template(image: Image) -> tuple[str, dict[str, str]]:
    """The template of a picture alone; an upload as `photoURL` was seen to show nothing."""
    if image.is_upload:
        return "sampleMarkdown", {"title": PICTURE_TITLE, "text": picture_markdown(image.picture)}
    return "sampleImageMsg", {"photoURL": image.picture}


def _classify(response: PostResponse, staff_id: str) -> DeliveryOutcome:
    """Decide the outcome of a private message: a 200 may still say that it was not sent."""
    fields = parse_object(response.body) or {}
    code = str(fields.get("code", ""))[:_MAX_CODE_CHARS]
    reason = f"private: HTTP {response.status} {code}".strip()
    if response.status == HTTPStatus.OK:
        if any(_lists(fields, name, staff_id) for name in _NOT_REACHED):
            return Rejected("private: DingTalk doesn't reach the sender by this userid")
        if _lists(fields, "flowControlledStaffIdList", staff_id):
            return Retry(FailureKind.THROTTLED, "private: flow control")
        if fields.get("processQueryKey"):
            return Delivered()
        return Unknown("private: an answer without processQueryKey")
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
