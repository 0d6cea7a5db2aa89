"""The body that DingTalk POSTs when somebody speaks to the bot.

Fields and shapes are those of DingTalk's "receive-message" and of captured bodies: a group's text
begins with the blank that the removed mention left, ids hold `+`, `/` and `=`, and a single chat
has no `atUsers`, `isInAtList` or `conversationTitle`.
"""

import hashlib
import json
import secrets
from base64 import b64encode
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import ConfigDict, StringConstraints, TypeAdapter

from dingda.shared.dingtalk.content import read_content
from dingda.shared.dingtalk.fields import string

GROUP_TITLE = "钉答演示群"
MENTION = "@钉答"
"""The bot's mention, where a client leaves it in the words."""
ENCRYPTED_ID = "$:LWCP_v1:$"
"""What DingTalk's encrypted user ids begin with. They are no userids and cannot be mentioned."""

_CORP_ID, _OTHER_CORP_ID = "dingsimulatedcorp", "dingothercorp"
_ROBOT_CODE = "dingsimulatedrobot"
_SINGLE, _GROUP = "1", "2"
# Base64 makes +/+/ of it. In real msgIds these turn up by chance; here every one has them, so that
# whoever takes a msgId for a path or a key finds out at once.
_AWKWARD = b"\xfb\xff\xbf"


Kind = Literal[
    "text",
    "richText",
    "markdown",
    "audio",
    "picture",
    "file",
    "video",
    "chatRecord",
    "interactiveCard",
]
"""What is sent, by DingTalk's msgtype."""

_STRICT = ConfigDict(extra="forbid", strict=True)
_Name = Annotated[str, StringConstraints(min_length=1)]
_WORDLESS = ("picture", "video")


@dataclass(frozen=True, slots=True)
class Mentioned:
    """Somebody besides the bot who is mentioned.

    >>> UserMessage("的绩效", mentioned=(Mentioned("李四", staff_id=""),)).mentioned[0].name
    '李四'
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: _Name
    staff_id: str | None = None
    """The userid; None for the one of this name, "" where DingTalk hides it, as it does for people
    of other organisations."""


@dataclass(frozen=True, slots=True)
class Quotation:
    """The message that is answered to.

    >>> UserMessage("再来一次", quoted=Quotation("北京：晴")).quoted.sender is None  # the bot
    True
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    text: str
    """As in `UserMessage`."""
    kind: Kind = "text"
    sender: str | None = None
    """Who said it; None for the bot."""


@dataclass(frozen=True, slots=True)
class UserMessage:
    """What somebody says to the bot.

    >>> UserMessage("绩效", sender="李四", single=True).reaches_the_bot
    True
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    text: str
    """The words, without the mention of the bot. Of a voice message, what DingTalk understood, or
    ""; of a file, its name; of a forwarded conversation, lines such as `李四：你好`; "" of a
    picture and a video."""
    sender: _Name = "张三"
    """The asker's nickname; the ids are derived from it, so one name is one person."""
    single: bool = False
    """Whether it is said to the bot alone instead of in the group."""
    published: bool = True
    """Whether the robot is published: until then DingTalk keeps the asker's userid to itself."""
    mention: bool = True
    """Whether it mentions the bot, without which DingTalk calls nobody back from a group."""
    kind: Kind = "text"
    runs: tuple[str, ...] = ()
    """Rich text as the client cuts it, anywhere, each mention being a run: `@钉答`, `天`, `气北京`.
    Without them it is the mention and the text."""
    pictures: int = 0
    """How many pictures stand before the words of a rich text."""
    mentioned: tuple[Mentioned, ...] = ()
    """Who else is mentioned in the group. DingTalk takes their names out of the words."""
    at_all: bool = False
    """Whether @所有人 stands before the words, where DingTalk leaves it."""
    quoted: Quotation | None = None
    client: str = "Mac"
    """What the asker types on: Mac, Win, iOS, Android, HarmonyOS."""
    external: bool = False
    """Whether the asker is of another organisation: then DingTalk keeps the userid to itself."""

    def __post_init__(self) -> None:
        if self.kind != "richText" and (self.runs or self.pictures):
            raise ValueError("runs and pictures belong to the kind richText")
        if self.runs and self.text:
            raise ValueError('rich text has its words in the runs, or in the text: "" beside runs')
        if self.pictures < 0:
            raise ValueError("pictures can't be fewer than none")
        if self.kind in _WORDLESS and self.text:
            raise ValueError(f'a {self.kind} has no words: text must be ""')
        if self.single and (self.mentioned or self.at_all):
            raise ValueError("nobody is mentioned in a single chat; there an @ is typed text")

    @property
    def reaches_the_bot(self) -> bool:
        """Whether DingTalk delivers it at all."""
        return self.single or self.mention

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _SAID.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "UserMessage":
        """Read what `to_json` wrote; only `text` must be there.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return _SAID.validate_json(body)


_SAID = TypeAdapter(UserMessage)


def staff_id_of(name: str) -> str:
    """The userid of a simulated person, which replies mention.

    >>> staff_id_of("李四") == staff_id_of("李四") != staff_id_of("张三")
    True
    """
    return f"user{_digest(f'staff {name}').hex()[:8]}"


def build_callback(
    said: UserMessage, *, session_webhook: str, created_ms: int, expires_ms: int
) -> dict[str, Any]:
    """Build the body of one callback, with a msgId of its own.

    Args:
        said: who says what, and where.
        session_webhook: where the reply goes.
        created_ms: when it is said, in ms since 1970.
        expires_ms: when the session closes, in ms since 1970.
    """
    known = said.published and not said.external
    return {
        "senderPlatform": said.client,
        "conversationId": _conversation_id(said),
        **({} if said.single else _group_fields(said)),
        "chatbotCorpId": _CORP_ID,
        "chatbotUserId": ROBOT_ID,
        "msgId": new_msg_id(),
        "senderNick": said.sender,
        "isAdmin": False,
        **({"senderStaffId": staff_id_of(said.sender)} if known else {}),
        "sessionWebhookExpiredTime": expires_ms,
        "createAt": created_ms,
        "senderCorpId": _OTHER_CORP_ID if said.external else _CORP_ID,
        "conversationType": _SINGLE if said.single else _GROUP,
        "senderId": sender_id_of(said.sender),
        "sessionWebhook": session_webhook,
        "robotCode": _ROBOT_CODE,
        **content_of(said),
    }


def content_of(said: UserMessage) -> dict[str, Any]:
    """The fields of a callback that hold what is said: its msgtype, and what goes with it."""
    before = "@所有人" if said.at_all else "" if said.single else " "
    quotation = _quotation(said.quoted) if said.quoted else {}
    match said.kind:
        case "text":
            return {
                "msgtype": "text",
                "text": {"content": before + said.text, **quotation},
                **({"originalMsgId": quotation["repliedMsg"]["msgId"]} if quotation else {}),
            }
        case "richText":
            content: dict[str, Any] = {"richText": _runs(said)}
        case "audio":
            content = {"duration": 4000, **_file(), **_filled(recognition=said.text)}
        case "markdown":
            written = {"title": said.text[:20], "text": before + said.text}
            return {"msgtype": "markdown", "markdown": written, "content": written | quotation}
        case "chatRecord":
            content = _content(said.kind, said.text)
            return {"msgtype": said.kind, "content": content | quotation, "isForwardMsg": "1"}
        case _:
            content = _content(said.kind, said.text)
    return {"msgtype": said.kind, "content": content | quotation}


def _runs(said: UserMessage) -> list[dict[str, Any]]:
    pictures = [{"type": "picture", **_picture()} for _ in range(said.pictures)]
    mention = () if said.single or not said.mention else (MENTION,)
    before = ("@所有人",) if said.at_all else ()
    words = said.runs or (*mention, *before, said.text)
    return [*pictures, *({"text": run} for run in words if run)]


def _quotation(quoted: Quotation) -> dict[str, Any]:
    by_bot = quoted.sender is None
    replied = {
        "createdAt": 1_700_000_000_000,
        "senderId": ROBOT_ID if by_bot else sender_id_of(quoted.sender or ""),
        "msgType": quoted.kind,
        "msgId": new_msg_id(),
    }
    content = _content(quoted.kind, quoted.text)
    # Of a card of the bot's DingTalk may tell no more than its id.
    told = {} if by_bot and quoted.kind == "interactiveCard" and not quoted.text else content
    return {"isReplyMsg": True, "repliedMsg": replied | _filled(content=told)}


def _content(kind: Kind, text: str) -> dict[str, Any]:
    """What stands in the `content` of a message, or of one that is quoted."""
    match kind:
        case "richText":
            return {"richText": [{"text": text}]}
        case "audio":
            return {**_file(), **_filled(recognition=text)}
        case "picture":
            return _picture()
        case "file":
            return {"spaceId": "10000000001", "fileName": text, "fileId": "100000000002", **_file()}
        case "video":
            return {"duration": "5", "videoType": "mp4", **_file()}
        case "chatRecord":
            told = [_told(line) for line in text.splitlines()]
            return {"summary": json.dumps(told, ensure_ascii=False), "title": "群聊的聊天记录"}
        case "interactiveCard":
            run = {"elementType": "TEXT", "value": text, "style": {}}
            tree = [{"elementType": "RICHTEXT", "children": [run]}]
            link = "dingtalk://dingtalkclient/page/yunpan?route=previewDentry&type=file"
            return {"cardContent": tree} if text else {"biz_custom_action_url": link}
        case _:
            return {"text": text}


def _told(line: str) -> dict[str, Any]:
    """A line of a forwarded conversation."""
    name, mark, words = line.partition("：")
    return {"senderNick": name, "msgType": "text", "content": words} if mark else {"content": line}


def _file() -> dict[str, Any]:
    return {"downloadCode": b64encode(secrets.token_bytes(24)).decode()}


def _picture() -> dict[str, Any]:
    return {"pictureDownloadCode": secrets.token_urlsafe(16), **_file()}


def _filled(**fields: Any) -> dict[str, Any]:
    """DingTalk leaves out what is empty."""
    return {name: value for name, value in fields.items() if value}


def said_in(callback: dict[str, Any]) -> UserMessage:
    """What can be told of a callback that was given as it is, for those who look on."""
    content = read_content(callback)
    msgtype = callback.get("msgtype")
    kind: Kind = next((kind for kind in get_args(Kind) if kind == msgtype), "text")
    names = [file.name for file in content.files]
    return UserMessage(
        "" if kind in _WORDLESS else content.text.strip() or "".join(names),
        sender=string(callback, "senderNick") or "?",
        single=callback.get("conversationType") == _SINGLE,
        kind=kind,
        pictures=len(content.pictures) if kind == "richText" else 0,
    )


def over_quota(callback: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a callback once the organisation's monthly quota is used up."""
    return {
        **{name: value for name, value in callback.items() if name not in ("text", "content")},
        "errorCode": 20001,
        "errorMessage": "受调用量超量影响，当前我的消息服务已经暂停",
    }


def new_msg_id() -> str:
    """An id for a message, as awkward as DingTalk's."""
    return f"msg{b64encode(_AWKWARD + secrets.token_bytes(13)).decode()}"


def sender_id_of(name: str) -> str:
    """A simulated person's id as DingTalk encrypts it."""
    return _encrypted_id(f"person {name}")


def _group_fields(said: UserMessage) -> dict[str, Any]:
    robot = [{"dingtalkId": ROBOT_ID}] if said.mention else []
    return {
        # The robot stands anywhere among them, wherever it is in the words.
        "atUsers": [*map(_at_user, said.mentioned), *robot],
        "conversationTitle": GROUP_TITLE,
        "isInAtList": said.mention,
    }


def _at_user(mentioned: Mentioned) -> dict[str, Any]:
    staff_id = mentioned.staff_id
    known = staff_id_of(mentioned.name) if staff_id is None else staff_id
    name = f"{mentioned.name} {staff_id}" if staff_id else mentioned.name
    return {"dingtalkId": sender_id_of(name), **_filled(staffId=known)}


def _conversation_id(said: UserMessage) -> str:
    name = f"single {said.sender}" if said.single else "group"
    return f"cid{b64encode(_digest(name)).decode()}"


def _encrypted_id(name: str) -> str:
    return f"{ENCRYPTED_ID}{b64encode(_digest(name)[:16]).decode()}"


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


ROBOT_ID = _encrypted_id("robot")
"""The robot's id as DingTalk encrypts it."""
