"""What DingTalk sends: a callback's body, parsed once at the door.

Field names and their traps are those of DingTalk's "receive-message". Only what is needed to answer
is required; an unknown field is ignored, and an optional one of the wrong type counts as absent.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, NoReturn

from shared.errors import InvalidMessageError

OVER_QUOTA = 20001
"""DingTalk: the organisation's monthly quota is used up; the message comes without its text."""

_MAX_ID_CHARS = 512
_MAX_URL_CHARS = 2048
_ORDERING_KEY_CHARS = 16
_GROUP = "2"


@dataclass(frozen=True, slots=True)
class Message:
    """Somebody's words to the bot, and where the answer goes."""

    id: str
    """Names the message in the ledger: SHA-256 over the robot and DingTalk's msgId, in hex."""
    conversation_id: str
    conversation_title: str
    is_group: bool
    sender_staff_id: str
    """The asker's userid, or "": DingTalk leaves it out until the robot is published."""
    sender_nick: str = field(repr=False)
    text: str = field(repr=False)
    session_webhook: str = field(repr=False)
    """Where to POST the reply. A bearer credential: never log it."""
    session_expires_ms: int | None
    """When the session closes, in ms since 1970; None where DingTalk did not say."""
    sender_corp_id: str = ""
    bot_corp_id: str = ""
    mentioned_staff_ids: tuple[str, ...] = ()
    """Who else was mentioned, by userid, as far as DingTalk tells."""
    sender_id: str = ""
    """The asker as DingTalk encrypts the id: there also where `sender_staff_id` is not."""
    ordering_key: str = ""
    """Names the asker in this conversation with this robot, hashed: what shares one is answered in
    order. "" where DingTalk names no sender."""
    pictures: tuple[str, ...] = field(default=(), repr=False)
    """The downloadCodes of pictures between the words (richText)."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A genuine callback that there is nothing to answer to; `reason` is a name to count by."""

    reason: str


def parse_message(body: bytes) -> Message | Ignored:
    """Parse the body of a callback whose signature has been checked.

    Args:
        body: the request's body: UTF-8 JSON.

    Returns:
        The message, or why there is nothing to answer.

    Raises:
        InvalidMessageError: if the body isn't strict UTF-8 and JSON, or lacks what an answer needs.
    """
    fields = _parse_object(body)
    if _integer(fields.get("errorCode")) == OVER_QUOTA:
        return Ignored("over_quota")
    text = _text(fields)
    if isinstance(text, Ignored):
        return text
    sender, bot = _string(fields, "senderId"), _string(fields, "chatbotUserId")
    if bot and sender == bot:
        return Ignored("own_message")
    robot = f"{_string(fields, 'robotCode')}\n{bot}"
    conversation_id = _required(fields, "conversationId", _MAX_ID_CHARS)
    staff_id = _string(fields, "senderStaffId")
    return Message(
        # Two robots mentioned in one message share its msgId; and a real msgId holds +/=, which RQ
        # refuses in a job's id.
        id=_hash(robot, _required(fields, "msgId", _MAX_ID_CHARS)),
        conversation_id=conversation_id,
        conversation_title=_string(fields, "conversationTitle"),
        is_group=str(fields.get("conversationType")) == _GROUP,
        sender_staff_id=staff_id,
        sender_nick=_string(fields, "senderNick"),
        text=text,
        session_webhook=_required(fields, "sessionWebhook", _MAX_URL_CHARS),
        session_expires_ms=_integer(fields.get("sessionWebhookExpiredTime")),
        sender_corp_id=_string(fields, "senderCorpId"),
        bot_corp_id=_string(fields, "chatbotCorpId"),
        mentioned_staff_ids=tuple(_strings(fields.get("atUsers"), "staffId")),
        pictures=tuple(_strings(_mapping(fields.get("content")).get("richText"), "downloadCode")),
        sender_id=sender,
        ordering_key=(
            _hash(robot, conversation_id, staff_id, sender)[:_ORDERING_KEY_CHARS]
            if staff_id or sender
            else ""
        ),
    )


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        # Decoded first: json.loads would also take UTF-16 and UTF-32 bytes.
        fields = _STRICT.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise InvalidMessageError("the body is not UTF-8") from None
    except RecursionError:
        raise InvalidMessageError("the body is nested too deeply") from None
    except ValueError as error:
        # json's messages give a position and no content; ours name a rule.
        raise InvalidMessageError(f"the body is not strict JSON: {error}") from None
    if not isinstance(fields, dict):
        raise InvalidMessageError("the body is not a JSON object")
    return fields


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key stands twice")
    return fields


_STRICT = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_distinct)


def _text(fields: dict[str, Any]) -> str | Ignored:
    """The words of a text, a richText or a spoken message (DingTalk recognises speech itself)."""
    msgtype = fields.get("msgtype")
    if msgtype == "text":
        words = _mapping(fields.get("text")).get("content")
    elif msgtype == "richText":
        words = "".join(_strings(_mapping(fields.get("content")).get("richText"), "text")) or None
    elif msgtype == "audio":
        words = _mapping(fields.get("content")).get("recognition")
    else:
        return Ignored("msgtype")
    return encodable(words) if isinstance(words, str) else Ignored("no_content")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _strings(items: Any, name: str) -> list[str]:
    """One field of each object in a list, where it is there and a string."""
    found = [_string(_mapping(item), name) for item in items] if isinstance(items, list) else []
    return [text for text in found if text]


def _string(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return encodable(value) if isinstance(value, str) else ""


def _required(fields: dict[str, Any], name: str, max_chars: int) -> str:
    value = _string(fields, name)
    if not value:
        raise InvalidMessageError(f"{name} is missing or not a string")
    if len(value) > max_chars:
        raise InvalidMessageError(f"{name} is longer than {max_chars} characters")
    return value


def encodable(text: str) -> str:
    """The text with half surrogate pairs made whole, or replaced by U+FFFD."""
    # JSON can escape half a surrogate pair, which later fails to encode wherever it goes.
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _integer(value: Any) -> int | None:
    """DingTalk documents times as strings and sends numbers, or the other way round: take both."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
