"""Replies to the sender alone, in the single chat with the robot, by DingTalk's OpenAPI.

Source: DingTalk's page on oToMessages/batchSend.
"""

import json
from contextlib import AbstractContextManager

from dingda.shared.dingtalk.card import Card
from dingda.shared.dingtalk.markdown import link
from dingda.shared.dingtalk.media import PICTURE_TITLE, FileMessage, Image, picture_markdown
from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import ActionCard, FeedCard, Markdown, Reply, Text
from dingda.shared.errors import InvalidReplyError
from dingda.worker.delivery.outcome import DeliveryOutcome
from dingda.worker.delivery.robot_api import RobotApi
from dingda.worker.delivery.transport import BeforeSend

MAX_PRIVATE_BYTES = 15_000
"""DingTalk's limit for a msgParam in groups; it documents none for a single chat."""
_MAX_VERTICAL_BUTTONS = 5


class PrivateChannel:
    """A `SendChannel` to the sender's single chat; its bodies are made by `to_private_body`.

    Args:
        robot: the robot that was spoken to.
    """

    def __init__(self, robot: RobotApi) -> None:
        self._robot = robot

    async def send(
        self, message: Message, body: bytes, *, before_send: BeforeSend, timeout_s: float
    ) -> DeliveryOutcome:
        """Send a reply to the message's sender, once; see `SendChannel`."""
        return await self._robot.send_to_user(
            message.sender_staff_id,
            body,
            before_send=before_send,
            timeout_s=timeout_s,
            what="private",
        )

    def expect(self, _: Message) -> AbstractContextManager[None]:
        """Keep a connection ready; see `SendChannel`."""
        return self._robot.expect_to_user()


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
