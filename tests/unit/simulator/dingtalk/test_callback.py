import json
import re
from typing import Any

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.simulator.dingtalk.callback import build_callback, staff_id_of
from dingda.simulator.dingtalk.user_message import UserMessage

WEBHOOK = "https://oapi.dingtalk.com/robot/sendBySession?session=0123456789abcdef0123456789abcdef"


def callback_for(message: UserMessage) -> dict[str, Any]:
    return build_callback(
        message, session_webhook=WEBHOOK, created_ms=1_700_000_000_000, expires_ms=1_700_005_400_188
    )


def test_a_group_message_has_all_the_fields_of_a_real_one() -> None:
    assert set(callback_for(UserMessage("你好"))) == {
        "senderPlatform",
        "conversationId",
        "atUsers",
        "chatbotCorpId",
        "chatbotUserId",
        "msgId",
        "senderNick",
        "isAdmin",
        "senderStaffId",
        "sessionWebhookExpiredTime",
        "createAt",
        "senderCorpId",
        "conversationType",
        "senderId",
        "conversationTitle",
        "isInAtList",
        "sessionWebhook",
        "robotCode",
        "msgtype",
        "text",
    }


def test_a_groups_text_begins_with_the_blank_that_the_mention_left() -> None:
    callback = callback_for(UserMessage("你好"))
    assert callback["conversationType"] == "2"
    assert callback["text"] == {"content": " 你好"}


def test_the_robot_is_among_those_mentioned_in_a_group() -> None:
    callback = callback_for(UserMessage("你好"))
    assert callback["atUsers"] == [{"dingtalkId": callback["chatbotUserId"]}]


def test_a_single_chat_has_no_mentions_no_title_and_no_leading_blank() -> None:
    callback = callback_for(UserMessage("你好", single=True))
    assert callback["conversationType"] == "1"
    assert callback["text"] == {"content": "你好"}
    assert callback.keys().isdisjoint({"atUsers", "isInAtList", "conversationTitle"})


def test_a_robot_that_is_not_published_does_not_learn_the_senders_userid() -> None:
    assert "senderStaffId" not in callback_for(UserMessage("你好", published=False))


def test_a_msg_id_is_shaped_as_dingtalks_and_holds_what_paths_and_keys_stumble_over() -> None:
    msg_id = callback_for(UserMessage("你好"))["msgId"]
    assert re.fullmatch(r"msg[A-Za-z0-9+/]{22}==", msg_id)
    assert {"+", "/", "="} <= set(msg_id)


def test_every_message_has_a_msg_id_of_its_own() -> None:
    assert len({callback_for(UserMessage("你好"))["msgId"] for _ in range(100)}) == 100


def test_a_conversation_id_is_shaped_as_dingtalks() -> None:
    assert re.fullmatch(r"cid[A-Za-z0-9+/]+=", callback_for(UserMessage("你好"))["conversationId"])


def test_everybody_in_the_group_shares_a_conversation() -> None:
    first, second = (
        callback_for(UserMessage("a", sender="张三")),
        callback_for(UserMessage("b", sender="李四")),
    )
    assert first["conversationId"] == second["conversationId"]


def test_everybodys_single_chat_is_a_conversation_of_its_own() -> None:
    first, second = (
        callback_for(UserMessage("a", sender=name, single=True)) for name in ("张三", "李四")
    )
    assert first["conversationId"] != second["conversationId"]


def test_one_name_is_one_person() -> None:
    first, second = (
        callback_for(UserMessage("a", sender="李四")),
        callback_for(UserMessage("b", sender="李四")),
    )
    assert first["senderStaffId"] == second["senderStaffId"] == staff_id_of("李四")
    assert first["senderId"] == second["senderId"] != first["chatbotUserId"]


def test_the_contract_reads_what_is_built() -> None:
    message = parse_message(json.dumps(callback_for(UserMessage("你好"))).encode())
    assert isinstance(message, Message)
    assert message.text.strip() == "你好"
    assert message.session_expires_ms == 1_700_005_400_188
    assert message.sender_staff_id == staff_id_of("张三")
