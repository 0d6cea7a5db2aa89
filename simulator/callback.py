"""The body that DingTalk POSTs when somebody speaks to the bot.

Fields and shapes are those of DingTalk's "receive-message" and of captured bodies: a group's text
begins with the blank that the removed mention left, ids hold `+`, `/` and `=`, and a single chat
has no `atUsers`, `isInAtList` or `conversationTitle`.
"""

import hashlib
import secrets
from base64 import b64encode
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, StringConstraints, TypeAdapter

GROUP_TITLE = "钉答演示群"
ENCRYPTED_ID = "$:LWCP_v1:$"
"""What DingTalk's encrypted user ids begin with. They are no userids and cannot be mentioned."""

_CORP_ID = "dingsimulatedcorp"
_ROBOT_CODE = "dingsimulatedrobot"
_SINGLE, _GROUP = "1", "2"
# Base64 makes +/+/ of it. In real msgIds these turn up by chance; here every one has them, so that
# whoever takes a msgId for a path or a key finds out at once.
_AWKWARD = b"\xfb\xff\xbf"


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says to the bot."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    text: str
    """Without the mention of the bot."""
    sender: Annotated[str, StringConstraints(min_length=1)] = "张三"
    """The asker's nickname; the ids are derived from it, so one name is one person."""
    single: bool = False
    """Whether it is said to the bot alone instead of in the group."""
    published: bool = True
    """Whether the robot is published: until then DingTalk keeps the asker's userid to itself."""
    mention: bool = True
    """Whether it mentions the bot, without which DingTalk calls nobody back from a group."""

    @property
    def reaches_the_bot(self) -> bool:
        """Whether DingTalk delivers it at all."""
        return self.single or self.mention

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _SAID.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "Said":
        """Read what `to_json` wrote; only `text` must be there.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return _SAID.validate_json(body)


_SAID = TypeAdapter(Said)


def staff_id_of(name: str) -> str:
    """The userid of a simulated person, which replies mention."""
    return f"user{_digest(f'staff {name}').hex()[:8]}"


def build_callback(
    said: Said, *, session_webhook: str, created_ms: int, expires_ms: int
) -> dict[str, Any]:
    """Build the body of one callback, with a msgId of its own.

    Args:
        said: who says what, and where.
        session_webhook: where the reply goes.
        created_ms: when it is said, in ms since 1970.
        expires_ms: when the session closes, in ms since 1970.
    """
    return {
        "senderPlatform": "Mac",
        "conversationId": _conversation_id(said),
        **({} if said.single else _group_fields()),
        "chatbotCorpId": _CORP_ID,
        "chatbotUserId": _encrypted_id("robot"),
        "msgId": f"msg{b64encode(_AWKWARD + secrets.token_bytes(13)).decode()}",
        "senderNick": said.sender,
        "isAdmin": False,
        **({"senderStaffId": staff_id_of(said.sender)} if said.published else {}),
        "sessionWebhookExpiredTime": expires_ms,
        "createAt": created_ms,
        "senderCorpId": _CORP_ID,
        "conversationType": _SINGLE if said.single else _GROUP,
        "senderId": _encrypted_id(f"person {said.sender}"),
        "sessionWebhook": session_webhook,
        "robotCode": _ROBOT_CODE,
        "msgtype": "text",
        "text": {"content": said.text if said.single else f" {said.text}"},
    }


def over_quota(callback: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a callback once the organisation's monthly quota is used up."""
    return {
        **{name: value for name, value in callback.items() if name not in ("text", "content")},
        "errorCode": 20001,
        "errorMessage": "受调用量超量影响，当前我的消息服务已经暂停",
    }


def _group_fields() -> dict[str, Any]:
    return {
        "atUsers": [{"dingtalkId": _encrypted_id("robot")}],
        "conversationTitle": GROUP_TITLE,
        "isInAtList": True,
    }


def _conversation_id(said: Said) -> str:
    name = f"single {said.sender}" if said.single else "group"
    return f"cid{b64encode(_digest(name)).decode()}"


def _encrypted_id(name: str) -> str:
    return f"{ENCRYPTED_ID}{b64encode(_digest(name)[:16]).decode()}"


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
