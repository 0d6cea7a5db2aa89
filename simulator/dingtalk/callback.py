"""The body that DingTalk POSTs for a message to the bot.

Fields and shapes are those of DingTalk's "receive-message" and of captured bodies: a group's text
begins with the blank that the removed mention left, ids hold `+`, `/` and `=`, and a single chat
has no `atUsers`, `isInAtList` or `conversationTitle`.
"""

import hashlib
import json
import secrets
from base64 import b64encode
from typing import Any, get_args

from dingda.shared.dingtalk.content import read_content
from dingda.shared.dingtalk.fields import string
from dingda.shared.dingtalk.robots import Robot
from dingda.simulator.dingtalk.media import download_code
from dingda.simulator.dingtalk.user_message import (
    MAX_PICTURES,
    WORDLESS,
    Kind,
    Mentioned,
    Quotation,
    UserMessage,
)

GROUP_TITLE = "钉答演示群"
ENCRYPTED_ID = "$:LWCP_v1:$"
"""What DingTalk's encrypted user ids begin with. They are no userids and cannot be mentioned."""

CORP_ID = "dingsimulatedcorp"
ROBOT_CODE = "dingsimulatedrobot"
ROBOT = Robot(ROBOT_CODE)
BOT_NAME = "钉答"
"""What a robot without a name is called."""
FRESH = ("msgId", "createAt", "sessionWebhook", "sessionWebhookExpiredTime")
"""The fields that make a callback a message of its own, with a session of its own."""
QUOTA_MESSAGE = "受调用量超量影响，当前我的消息服务已经暂停"

_OTHER_CORP_ID = "dingothercorp"
_SINGLE, _GROUP = "1", "2"
# Base64 makes +/+/ of it. In real msgIds these turn up by chance; here every one has them, so that
# code that takes a msgId for a path or a key fails at once.
_AWKWARD = b"\xfb\xff\xbf"


def staff_id_of(name: str) -> str:
    """The userid of a simulated person, which replies mention.

    >>> staff_id_of("李四") == staff_id_of("李四") != staff_id_of("张三")
    True
    """
    return f"user{_digest(f'staff {name}').hex()[:8]}"


def build_callback(
    message: UserMessage,
    *,
    session_webhook: str,
    created_ms: int,
    expires_ms: int,
    robot: Robot = ROBOT,
) -> dict[str, Any]:
    """Build the body of one callback, with a msgId of its own.

    Args:
        message: the message to build it from.
        session_webhook: where the reply goes.
        created_ms: the time of the message, in ms since 1970.
        expires_ms: when the session closes, in ms since 1970.
        robot: the robot that it is sent to.
    """
    known = message.published and not message.external
    return {
        "senderPlatform": message.client,
        "conversationId": conversation_id_of(message),
        **({} if message.single else _group_fields(message)),
        "chatbotCorpId": CORP_ID,
        "chatbotUserId": robot_id_of(message.robot),
        "msgId": new_msg_id(),
        "senderNick": message.sender,
        "isAdmin": False,
        **({"senderStaffId": staff_id_of(message.sender)} if known else {}),
        "sessionWebhookExpiredTime": expires_ms,
        "createAt": created_ms,
        "senderCorpId": _OTHER_CORP_ID if message.external else CORP_ID,
        "conversationType": _SINGLE if message.single else _GROUP,
        "senderId": sender_id_of(message.sender),
        "sessionWebhook": session_webhook,
        "robotCode": robot.code,
        **content_of(message, f"@{robot.name or BOT_NAME}"),
    }


def without_fresh(callback: dict[str, Any]) -> dict[str, Any]:
    """A callback without the fields in `FRESH`."""
    return {name: value for name, value in callback.items() if name not in FRESH}


def content_of(message: UserMessage, mention: str) -> dict[str, Any]:
    """The fields of a callback that hold the content: its msgtype, and what goes with it.

    Args:
        message: the message.
        mention: how the bot is mentioned in the words, where a client leaves it there.
    """
    before = "@所有人" if message.at_all else "" if message.single else " "
    quotation = _quotation(message.quoted, message.robot) if message.quoted else {}
    match message.kind:
        case "text":
            return {
                "msgtype": "text",
                "text": {"content": before + message.text, **quotation},
                **({"originalMsgId": quotation["repliedMsg"]["msgId"]} if quotation else {}),
            }
        case "richText":
            content: dict[str, Any] = {"richText": _runs(message, mention)}
        case "audio":
            content = {
                "duration": 4000,
                **_file(message.file),
                **_without_empty(recognition=message.text),
            }
        case "markdown":
            written = {"title": message.text[:20], "text": before + message.text}
            return {"msgtype": "markdown", "markdown": written, "content": written | quotation}
        case "chatRecord":
            content = _content(message.kind, message.text)
            return {"msgtype": message.kind, "content": content | quotation, "isForwardMsg": "1"}
        case _:
            content = _content(message.kind, message.text, message.file)
    return {"msgtype": message.kind, "content": content | quotation}


def _runs(message: UserMessage, mention: str) -> list[dict[str, Any]]:
    pictures = [{"type": "picture", **_picture(message.file)} for _ in range(message.pictures)]
    robot = () if message.single or not message.mention else (mention,)
    before = ("@所有人",) if message.at_all else ()
    words = message.runs or (*robot, *before, message.text)
    return [*pictures, *({"text": run} for run in words if run)]


def _quotation(quoted: Quotation, robot: str) -> dict[str, Any]:
    by_bot = quoted.sender is None
    replied = {
        "createdAt": 1_700_000_000_000,
        "senderId": robot_id_of(robot) if by_bot else sender_id_of(quoted.sender or ""),
        "msgType": quoted.kind,
        "msgId": new_msg_id(),
    }
    content = _content(quoted.kind, quoted.text)
    # Of a card of the bot, DingTalk may send no more than its id.
    shown = {} if by_bot and quoted.kind == "interactiveCard" and not quoted.text else content
    return {"isReplyMsg": True, "repliedMsg": replied | _without_empty(content=shown)}


def _content(kind: Kind, text: str, file: str = "") -> dict[str, Any]:
    """The `content` of a message, or of a quoted one."""
    match kind:
        case "richText":
            return {"richText": [{"text": text}]}
        case "audio":
            return {**_file(file), **_without_empty(recognition=text)}
        case "picture":
            return _picture(file)
        case "file":
            ids = {"spaceId": "10000000001", "fileId": "100000000002"}
            return {**ids, "fileName": text, **_file(file)}
        case "video":
            return {"duration": "5", "videoType": "mp4", **_file(file)}
        case "chatRecord":
            lines = [_forwarded_line(line) for line in text.splitlines()]
            return {"summary": json.dumps(lines, ensure_ascii=False), "title": "群聊的聊天记录"}
        case "interactiveCard":
            run = {"elementType": "TEXT", "value": text, "style": {}}
            tree = [{"elementType": "RICHTEXT", "children": [run]}]
            link = "dingtalk://dingtalkclient/page/yunpan?route=previewDentry&type=file"
            return {"cardContent": tree} if text else {"biz_custom_action_url": link}
        case _:
            return {"text": text}


def _forwarded_line(line: str) -> dict[str, Any]:
    """A line of a forwarded conversation."""
    name, mark, words = line.partition("：")
    return {"senderNick": name, "msgType": "text", "content": words} if mark else {"content": line}


def _file(file: str) -> dict[str, Any]:
    return {"downloadCode": download_code(file)}


def _picture(file: str) -> dict[str, Any]:
    return {"pictureDownloadCode": secrets.token_urlsafe(16), **_file(file)}


def _without_empty(**fields: Any) -> dict[str, Any]:
    """Leave out empty fields, as DingTalk does."""
    return {name: value for name, value in fields.items() if value}


def read_user_message(callback: dict[str, Any]) -> UserMessage:
    """Read from a raw callback what the page shows of it."""
    content = read_content(callback)
    msgtype = callback.get("msgtype")
    kind: Kind = next((kind for kind in get_args(Kind) if kind == msgtype), "text")
    names = [file.name for file in content.files]
    single = callback.get("conversationType") == _SINGLE
    return UserMessage(
        "" if kind in WORDLESS else content.text.strip() or "".join(names),
        sender=string(callback, "senderNick") or "?",
        single=single,
        group="" if single else _group_named(callback),
        kind=kind,
        pictures=min(len(content.pictures), MAX_PICTURES) if kind == "richText" else 0,
    )


def _group_named(callback: dict[str, Any]) -> str:
    """The title of a group whose id is the one that its title has here; "" of any other."""
    title = string(callback, "conversationTitle")
    id_here = conversation_id_of(UserMessage("", group=title))
    return title if callback.get("conversationId") == id_here else ""


def over_quota(callback: dict[str, Any]) -> dict[str, Any]:
    """Turn a callback into the one that DingTalk sends once the monthly quota is used up."""
    return {
        **{name: value for name, value in callback.items() if name not in ("text", "content")},
        "errorCode": 20001,
        "errorMessage": QUOTA_MESSAGE,
    }


def new_msg_id() -> str:
    """An id for a message, as awkward as DingTalk's."""
    return f"msg{b64encode(_AWKWARD + secrets.token_bytes(13)).decode()}"


def sender_id_of(name: str) -> str:
    """A simulated person's id as DingTalk encrypts it."""
    return _encrypted_id(f"person {name}")


def _group_fields(message: UserMessage) -> dict[str, Any]:
    robot = [{"dingtalkId": robot_id_of(message.robot)}] if message.mention else []
    return {
        # The robot may come anywhere among them, wherever it is in the text.
        "atUsers": [*map(_at_user, message.mentioned), *robot],
        "conversationTitle": message.group or GROUP_TITLE,
        "isInAtList": message.mention,
    }


def _at_user(mentioned: Mentioned) -> dict[str, Any]:
    staff_id = mentioned.staff_id
    known = staff_id_of(mentioned.name) if staff_id is None else staff_id
    name = f"{mentioned.name} {staff_id}" if staff_id else mentioned.name
    return {"dingtalkId": sender_id_of(name), **_without_empty(staffId=known)}


def conversation_id_of(message: UserMessage) -> str:
    """The id of the conversation that a message is said in."""
    chat = ("single", message.sender, message.robot) if message.single else ("group", message.group)
    name = " ".join(filter(None, chat))
    return f"cid{b64encode(_digest(name)).decode()}"


def robot_id_of(robot: str) -> str:
    """A robot's id as DingTalk encrypts it; "": the first robot's."""
    return _encrypted_id(f"robot {robot}" if robot else "robot")


def _encrypted_id(name: str) -> str:
    return f"{ENCRYPTED_ID}{b64encode(_digest(name)[:16]).decode()}"


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


GROUP_ID = conversation_id_of(UserMessage(""))
"""The conversationId of the group."""
