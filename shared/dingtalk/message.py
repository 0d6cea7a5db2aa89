"""What DingTalk sends: a callback's body, its envelope and the whole message.

Field names and their traps are those of DingTalk's "receive-message". Only what is needed to answer
is required; an unknown field is ignored, and an optional one of the wrong type counts as absent.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from dingda.shared.dingtalk.content import (
    Content,
    File,
    Kind,
    Picture,
    Quoted,
    Voice,
    read_content,
    read_quoted,
    without_mentions,
)
from dingda.shared.dingtalk.fields import integer, objects, read_object, required, string
from dingda.shared.errors import InvalidMessageError

OVER_QUOTA = 20001
"""DingTalk: the organisation's monthly quota is used up; the message comes without its text."""

EVENT_SUBSCRIPTION = (
    "this is an event subscription's callback (encrypted, signed in the query). In the console, "
    "enter this address as the robot's message-receiving address, not under event subscription"
)
"""What is wrong with a callback that DingTalk sends to whoever subscribes to events."""

SESSION_LIFE_MS = 5_400_000
"""DingTalk: a session stays open for about 90 minutes."""

MAX_ID_CHARS = 512
"""DingTalk's ids are much shorter."""
_MAX_URL_CHARS = 2048
ORDERING_KEY_CHARS = 16
_SINGLE, _GROUP = "1", "2"
_SHARED_CODE = "normal"
"""What robots of an older kind have instead of a code of their own."""


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody besides the bot who was mentioned.

    >>> @skill.command("分机")
    ... def extension(who: Person) -> str:
    ...     return f"{who.staff_id} 的分机是 8002"
    >>> asyncio.run(ask(skill, "分机", mentions=(Mention("0002"),))).content
    '0002 的分机是 8002'
    """

    staff_id: str
    """The userid, or "" where DingTalk hides it: then it is known that somebody is meant, not who.
    """
    name: str = field(default="", repr=False)
    """As the client shows it, where it tells; names are not unique."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message to the bot, and where its answer goes. A skill may read all of it.

    >>> @skill.command("哪个群")
    ... def where(ctx: Context) -> str:
    ...     message: Message = ctx.message
    ...     return message.conversation_title if message.is_group else "没有群"
    >>> asyncio.run(ask(skill, "哪个群")).content
    '测试群'
    """

    id: str
    """Names the message in the ledger: SHA-256 over the robot and DingTalk's msgId, in hex."""
    conversation_id: str
    conversation_title: str
    """The group's name; "" in a single chat."""
    is_group: bool
    """Whether it was said in a group, and not to the bot alone."""
    sender_staff_id: str
    """The sender's userid, or "": DingTalk leaves it out until the robot is published, and for
    people of other organisations."""
    sender_nick: str = field(repr=False)
    """The sender's display name; their own choice, so it identifies nobody."""
    text: str = field(repr=False)
    """The words, without those mentions that the client told apart from them."""
    session_webhook: str = field(repr=False)
    """Where to POST the reply. A bearer credential: never log it."""
    session_expires_ms: int | None
    """When the session closes, in ms since 1970; None where DingTalk did not say."""
    kind: Kind = Kind.TEXT
    """What kind of message it is."""
    sender_corp_id: str = ""
    bot_corp_id: str = ""
    sender_id: str = ""
    """The sender's id as DingTalk encrypts it: present even where `sender_staff_id` is not."""
    ordering_key: str = ""
    """A hash of robot, conversation and sender: messages that share one are answered in order, and
    a dialogue goes on in them. "" where DingTalk names no sender."""
    robot_code: str = ""
    """Which robot was spoken to."""
    msg_id: str = field(default="", repr=False)
    """DingTalk's own id of the message."""
    sender_platform: str = ""
    """The sender's client, such as Mac, Win, iOS, Android; "" where DingTalk does not say."""
    mentions: tuple[Mention, ...] = ()
    """Who else was mentioned."""
    pictures: tuple[Picture, ...] = ()
    files: tuple[File, ...] = ()
    """Files and videos."""
    voice: Voice | None = None
    """What was spoken; its words are in `text` as well."""
    quoted: Quoted | None = None
    """The message that this one answers to."""

    @property
    def own_words(self) -> str:
        """The text; "" of a forwarded conversation and of a card, for those words are others'."""
        return "" if self.kind in (Kind.FORWARDED, Kind.CARD) else self.text

    @property
    def mentioned_staff_ids(self) -> tuple[str, ...]:
        """Who else was mentioned, by userid, as far as DingTalk tells."""
        return tuple(mention.staff_id for mention in self.mentions if mention.staff_id)

    @property
    def is_own_organisation(self) -> bool:
        """Whether DingTalk says that the sender belongs to the bot's organisation.

        Absent or blank ids never count as equal.
        """
        is_named = any(map(str.isalnum, self.sender_corp_id))
        return is_named and self.sender_corp_id == self.bot_corp_id


IgnoredReason = Literal["probe", "over_quota", "own_message"]


@dataclass(frozen=True, slots=True)
class Ignored:
    """A genuine callback that there is nothing to answer to; `reason` is a name to count by."""

    reason: IgnoredReason


class Envelope(NamedTuple):
    """What it takes to store a message; its content is for the worker to read."""

    id: str
    ordering_key: str
    session_expires_ms: int | None
    robot_code: str = ""
    """Which robot was spoken to, as far as the message says."""


def read_envelope(body: bytes) -> Envelope | Ignored:
    """Read what it takes to store a callback's message: `parse_message` would take its body.

    Args, returns and raises as `parse_message`, but for the content.
    """
    return _envelope_in(read_object(body))


def parse_message(body: bytes) -> Message | Ignored:
    """Parse the body of a callback whose signature has been checked.

    Args:
        body: the request's body: UTF-8 JSON.

    Returns:
        The message, or why there is nothing to answer.

    Raises:
        InvalidMessageError: if the body isn't strict UTF-8 and JSON, or lacks what an answer needs.
    """
    fields = read_object(body)
    envelope = _envelope_in(fields)
    if isinstance(envelope, Ignored):
        return envelope
    bot = string(fields, "chatbotUserId")
    content = read_content(fields)
    text, mentions = _text_and_mentions(content, objects(fields.get("atUsers")), bot)
    return Message(
        id=envelope.id,
        conversation_id=string(fields, "conversationId"),
        conversation_title=string(fields, "conversationTitle"),
        is_group=str(fields.get("conversationType")) == _GROUP,
        sender_staff_id=string(fields, "senderStaffId"),
        sender_nick=string(fields, "senderNick"),
        text=text,
        session_webhook=string(fields, "sessionWebhook"),
        session_expires_ms=envelope.session_expires_ms,
        kind=content.kind,
        sender_corp_id=string(fields, "senderCorpId"),
        bot_corp_id=string(fields, "chatbotCorpId"),
        sender_id=string(fields, "senderId"),
        ordering_key=envelope.ordering_key,
        robot_code=envelope.robot_code,
        msg_id=string(fields, "msgId"),
        sender_platform=string(fields, "senderPlatform"),
        mentions=mentions,
        pictures=content.pictures,
        files=content.files,
        voice=content.voice,
        quoted=read_quoted(fields, bot),
    )


def _envelope_in(fields: dict[str, Any]) -> Envelope | Ignored:
    """The envelope in a callback's fields: it has all that an answer needs, or is refused."""
    if "encrypt" in fields:
        raise InvalidMessageError(EVENT_SUBSCRIPTION)
    if not fields:
        return Ignored("probe")
    if integer(fields.get("errorCode")) == OVER_QUOTA:
        return Ignored("over_quota")
    sender, bot = string(fields, "senderId"), string(fields, "chatbotUserId")
    if bot and sender == bot:
        return Ignored("own_message")
    robot_code = string(fields, "robotCode")
    robot = f"{robot_code}\n{bot}"
    conversation_id = required(fields, "conversationId", MAX_ID_CHARS)
    message_id = required(fields, "msgId", MAX_ID_CHARS)
    required(fields, "sessionWebhook", _MAX_URL_CHARS)
    staff_id = string(fields, "senderStaffId")
    is_single = str(fields.get("conversationType")) == _SINGLE
    return Envelope(
        # Two robots mentioned in one message share its msgId; and a real msgId holds +/=, which RQ
        # refuses in a job's id.
        id=hash_of(robot, message_id),
        ordering_key=(
            (is_single and single_chat_key(robot_code, staff_id))
            or _hashed(robot, conversation_id, staff_id, sender)
            if staff_id or sender
            else ""
        ),
        session_expires_ms=integer(fields.get("sessionWebhookExpiredTime")),
        robot_code=robot_code,
    )


def single_chat_key(robot_code: str, staff_id: str) -> str:
    """The ordering key of somebody's single chat with a robot; "" where these don't name it.

    It needs no conversation's id, so that what was asked in a group can go on in the single chat.
    """
    is_named = staff_id and robot_code not in ("", _SHARED_CODE)
    return _hashed(robot_code, staff_id) if is_named else ""


def _hashed(*parts: str) -> str:
    return hash_of(*parts)[:ORDERING_KEY_CHARS]


def with_robot_code(body: bytes, code: str) -> bytes:
    """A message's body that names a robot, made of one that names none.

    Args:
        body: as `read_envelope` takes it for a message.
        code: the robot's; of a key that occurs twice, the last value counts (`read_object`).
    """
    return body.rstrip()[:-1] + b',"robotCode":' + json.dumps(code).encode() + b"}"


def _text_and_mentions(
    content: Content, at_users: list[dict[str, Any]], bot: str
) -> tuple[str, tuple[Mention, ...]]:
    """The words without the mentions among them, and who was mentioned besides the bot.

    `atUsers` names the bot as well, in an order of its own.
    """
    others = [user for user in at_users if not bot or user.get("dingtalkId") != bot]
    # Only rich text has them in runs of their own.
    most = len(at_users) if content.kind is Kind.RICH_TEXT else 0
    runs, names = without_mentions(content.runs, mentioned=most)
    # Of two names one is the bot's, which people mention first; of more it's open whose is whose.
    name = names[-1] if len(others) == 1 and len(names) == len(at_users) else ""
    return "".join(runs), tuple(Mention(string(user, "staffId"), name) for user in others)


def hash_of(*parts: str) -> str:
    """SHA-256 over the parts, in hex."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
