"""Bodies as people's clients send them, and what is right to say to each.

The shapes are those of captures and bug reports; names, ids and words are ours. A case is named by
what is odd in it, with its number in `docs/tried.md`.
"""

from dataclasses import dataclass
from typing import Any

from dingda.simulator.dingtalk.callback import staff_id_of
from tests.support.builders import callback_fields

BOT = {"dingtalkId": "$:LWCP_v1:$bot"}
LISI = {"dingtalkId": "$:LWCP_v1:$lisi", "staffId": staff_id_of("李四")}
HIDDEN = {"dingtalkId": "$:LWCP_v1:$hidden"}
OWN_MARKS = ("91.5", "93", "你的绩效")
"""What only 张三, the sender, may see."""

BEIJING = "北京天气"
HELP = "我能做什么"
HERE = "我在。发「帮助」看看我能做什么"
ONLY_WORDS = "我只看得懂文字和语音"
NOT_HEARD = "没听清"
NOTHING_TO_SEE = "没有权限或没有数据"
PRIVATELY = "结果已私聊发给你"
IN_PRIVATE = "这个问题请在单聊里问我"
SILENCE = ""


@dataclass(frozen=True)
class Case:
    """A body, and what is right."""

    fields: dict[str, Any]
    right: str
    """What the reply holds; `SILENCE` for none."""
    never: tuple[str, ...] = ()
    """What no reply may hold."""
    ack: int = 200
    without: tuple[str, ...] = ()
    is_stored: bool = True

    @property
    def body(self) -> dict[str, Any]:
        return {name: value for name, value in self.fields.items() if name not in self.without}


def group(text: str | None = None, **fields: Any) -> dict[str, Any]:
    """What 张三 says in a group that mentions the bot alone."""
    return callback_fields(text, atUsers=[BOT], senderStaffId=staff_id_of("张三"), **fields)


def single(text: str | None = None, **fields: Any) -> dict[str, Any]:
    """What 张三 says to the bot alone."""
    only_in_groups = ("atUsers", "isInAtList", "conversationTitle")
    body = group(text, conversationType="2", **fields) | {"conversationType": "1"}
    return {name: value for name, value in body.items() if name not in only_in_groups}


def rich(*runs: str | dict[str, Any], at: tuple[dict[str, Any], ...] = (BOT,)) -> dict[str, Any]:
    """Rich text in a group, cut into runs."""
    items = [{"text": run} if isinstance(run, str) else run for run in runs]
    return group(msgtype="richText", content={"richText": items}) | {"atUsers": list(at)}


def sent(msgtype: str, content: Any, **fields: Any) -> dict[str, Any]:
    """Something other than text in a single chat."""
    return single(msgtype=msgtype, content=content, **fields)


def quoting(words: str, replied: Any, **fields: Any) -> dict[str, Any]:
    """Words in a group that answer to a message."""
    text = {"content": f" {words}", "isReplyMsg": True, "repliedMsg": replied}
    return group(msgtype="text", **fields) | {"text": text}


def quoted(msg_type: str, content: Any, sender: str = "$:LWCP_v1:$lisi") -> dict[str, Any]:
    """A message that is answered to."""
    return {"msgType": msg_type, "msgId": "msgOLD==", "senderId": sender, "content": content}


PICTURE = {"type": "picture", "downloadCode": "CODE==", "pictureDownloadCode": "p"}
MANY_RUNS = [{"elementType": "TEXT", "value": "几个字的一段", "style": {}} for _ in range(1_200)]

CASES = {
    # Mentions by what they are.
    "B01 HarmonyOS: the mention and the words are two runs": Case(
        rich("@钉答", "天气 北京"), BEIJING
    ),
    "B01 a command alone behind such a mention": Case(rich("@钉答", "帮助"), HELP),
    "B01 a slash behind it": Case(rich("@钉答", "/天气 北京"), BEIJING),
    "B02 a mention that DingTalk hides": Case(
        group("  绩效") | {"atUsers": [HIDDEN, BOT]}, NOTHING_TO_SEE, OWN_MARKS
    ),
    "B02 a name typed by hand in a single chat": Case(
        single("绩效 @李四"), NOTHING_TO_SEE, OWN_MARKS
    ),
    "B02 two names typed by hand": Case(single("@李四 @王五 绩效"), NOTHING_TO_SEE, OWN_MARKS),
    "B06 a package's name survives": Case(group(" @types/node 天气 北京"), BEIJING),
    "B07 two mentions, formatted, cut within a word": Case(
        rich("@钉答", "查", "@李四", "的绩", "效", at=(LISI, BOT)), NOTHING_TO_SEE, OWN_MARKS
    ),
    "B07 the same without a format": Case(
        group(" 查 的绩效") | {"atUsers": [LISI, BOT]}, NOTHING_TO_SEE, OWN_MARKS
    ),
    "B07 the colleague first": Case(
        rich("@李四", "@钉答", "绩效", at=(LISI, BOT)), NOTHING_TO_SEE, OWN_MARKS
    ),
    "B10 the bot's name has a blank": Case(group("@Ding Da 帮助"), HELP),
    "B10 the same in a run": Case(rich("@Ding Da ", "帮助"), HELP),
    "B10 the same before words": Case(group("@Ding Da 天气 北京"), BEIJING),
    "B20 the bot's own entry has a userid": Case(
        group(" 我的绩效") | {"atUsers": [BOT | {"staffId": "robot-1"}]}, PRIVATELY
    ),
    "B22 everybody is mentioned, glued": Case(group("@所有人天气 北京"), BEIJING),
    "B22 the bot's name is glued in a text": Case(group("@钉答天气 北京"), BEIJING),
    "C05 entries of the wrong type": Case(
        group(" 帮助") | {"atUsers": ["not an object", BOT, None]}, HELP
    ),
    "C08 the mention last, without a blank": Case(group("帮助@钉答"), HELP),
    "C09 special blanks round the mention": Case(
        group("\u2005\xa0@钉答\u2005天气\xa0北京\u200b"), BEIJING
    ),
    "the bot's name alone": Case(group(" "), HERE),
    # Runs, however they are named and cut.
    "B11 runs named msgType and content": Case(
        rich({"msgType": "text", "content": "天气 北京"}), BEIJING
    ),
    "B11 runs named type and content": Case(
        rich({"type": "text", "content": "天气 北京"}), BEIJING
    ),
    "B11 the key rich_text": Case(
        group(msgtype="richText", content={"rich_text": [{"text": "天气 北京"}]}), BEIJING
    ),
    "B11 a run of two characters for a line break": Case(rich("天气", "\\n", "北京"), BEIJING),
    "B11 the content as JSON in a string": Case(
        group(msgtype="richText", content='{"richText": [{"text": "天气 北京"}]}'), BEIJING
    ),
    "C03 one phrase in three runs": Case(rich("优惠", "券 机械", "键盘 200元以内"), "键盘"),
    "an emoji between the words": Case(
        rich("天气", {"type": "emoji", "content": "[微笑]"}, "北京"), BEIJING
    ),
    "C07 a picture before the words, on Windows": Case(
        single(
            msgtype="richText", content={"richText": [PICTURE, {"text": "\n"}, {"text": "帮助"}]}
        ),
        HELP,
    ),
    "C10 joiners, variation selectors, surrogate pairs": Case(
        group(" 天气\u200d 北京\ufe0f😀👨\u200d👩\u200d👧"), BEIJING
    ),
    # What people copy from elsewhere, and ask at once.
    "B04 a product shared from Taobao's app": Case(
        group(
            " 【淘宝】价保 https://e.tb.cn/h.EX1?tk=ExAmPlEtk01 MF278 「静音机械键盘」\n直接打开"
        ),
        "键盘",
        ("MF278", "e.tb.cn"),
    ),
    "B04 the same behind a command": Case(
        group(" 优惠券 https://e.tb.cn/h.EX1?tk=ExAmPlEtk01 CZ193 机械键盘"), "键盘", ("CZ193",)
    ),
    "B13 a password alone": Case(group(" €ExAmPlE1Abc€"), "把商品的标题发给我", ("没有找到",)),
    "B13 a password behind a command": Case(
        group(" 优惠券 8/F2iBEXAMPLE//"), "把商品的标题发给我", ("没有找到",)
    ),
    "B13 digits, a code and a password before a title": Case(
        group(" 17 CZ8908 ExAmPlE2dZz https://m.tb.cn/h.EX 机械键盘"), "键盘", ("CZ8908",)
    ),
    "B19 two cities at once": Case(group(" 天气 北京 上海"), "上海"),
    "B19 two cities in lines": Case(group(" 天气\n北京\n上海"), "上海"),
    "a text of six hundred characters": Case(group(" 优惠券 " + "很长的问题" * 120), "太长了"),
    # What has no words.
    "B09 a picture": Case(sent("picture", PICTURE), ONLY_WORDS),
    "B09 a picture as rich text, the bot alone mentioned": Case(rich(PICTURE), ONLY_WORDS),
    "B09 a picture in a group where others are mentioned": Case(
        group(msgtype="picture", content=PICTURE) | {"atUsers": [LISI, BOT]}, SILENCE
    ),
    "B09 a file": Case(
        sent("file", {"fileName": "a.docx", "downloadCode": "CODE==", "fileId": "1"}), ONLY_WORDS
    ),
    "B09 a video": Case(sent("video", {"duration": "5", "downloadCode": "CODE=="}), ONLY_WORDS),
    "B09 a forwarded conversation, whose words are others'": Case(
        sent("chatRecord", {"summary": '[{"senderNick":"李四","content":"天气 北京"}]'}), ONLY_WORDS
    ),
    "B09 a document's link": Case(
        sent("interactiveCard", {"biz_custom_action_url": "dingtalk://x"}), ONLY_WORDS
    ),
    "B09 a kind that robots are not told": Case(
        sent("unknownMsgType", {"unknownMsgType": "sticker"}), ONLY_WORDS
    ),
    # A voice, and bodies by other names.
    "B12 a voice that was not recognised": Case(
        sent("audio", {"duration": 4000, "downloadCode": "CODE=="}), NOT_HEARD
    ),
    "B12 a recognition of nothing": Case(
        sent("audio", {"downloadCode": "CODE==", "recognition": ""}), NOT_HEARD
    ),
    "B28 a voice by the name voice": Case(
        sent("voice", {"downloadCode": "CODE==", "recognition": "天气北京"}), BEIJING
    ),
    "B28 a voice inside rich text": Case(
        sent("richText", {"richText": [{"type": "voice", "recognition": "天气北京"}]}), BEIJING
    ),
    "B28 markdown": Case(group(msgtype="markdown", markdown={"title": "t", "text": " 帮助"}), HELP),
    "B28 a msgtype reply": Case(group(msgtype="reply", content="帮助"), HELP),
    "C11 a voice without its duration": Case(
        sent("audio", {"downloadCode": "CODE==", "recognition": "北京，明天天气怎么样？"}), BEIJING
    ),
    "C11 a spoken wish with punctuation": Case(
        sent("audio", {"recognition": "优惠券，机械键盘，两百元以内。"}), "键盘"
    ),
    # Quotations.
    "B14 a bare mention that quotes a question": Case(
        quoting("", quoted("text", {"text": "天气 北京"})), BEIJING
    ),
    "B14 a bare mention that quotes what is private": Case(
        quoting("", quoted("text", {"text": "我的绩效"})), HERE, (PRIVATELY, *OWN_MARKS)
    ),
    "B33 a quotation in the text": Case(
        group("「李四：上海天气」\n- - - - - - - - - - - - - - -\n天气 北京"), BEIJING
    ),
    "C01 the own words decide": Case(
        quoting("天气 北京", quoted("text", {"text": "上海的天气呢"})), BEIJING
    ),
    "C01 words under content.content": Case(
        quoting("天气 北京", quoted("text", {"content": "上海的天气呢"})), BEIJING
    ),
    "C02 a quoted command does not run": Case(
        quoting("这个怎么用", quoted("text", {"text": "我的绩效"})), HERE, (PRIVATELY, *OWN_MARKS)
    ),
    "C04 a quotation that is a number": Case(quoting("帮助", 42), HELP),
    "C05 a quotation at the top level, in a quotation": Case(
        group(" 帮助", repliedMsg=quoted("text", {"text": "旧"}) | {"repliedMsg": {}}), HELP
    ),
    "C06 a quotation inside rich text": Case(
        group(
            msgtype="richText",
            content={"richText": [{"text": " 帮助"}], "repliedMsg": quoted("picture", {})},
        ),
        HELP,
    ),
    "the bot's own card is quoted, only its id": Case(
        quoting("再来一次", {"msgType": "interactiveCard", "senderId": "$:LWCP_v1:$bot"}), SILENCE
    ),
    "a file is quoted": Case(quoting("看看这个", quoted("file", {"fileName": "a.docx"})), SILENCE),
    "a forwarded conversation is quoted": Case(
        quoting("学一下", quoted("chatRecord", {"summary": '[{"content":"天气"}]'})), SILENCE
    ),
    "B31 a large card of the bot's is quoted": Case(
        quoting(
            "天气 北京",
            quoted(
                "interactiveCard", {"cardContent": [{"children": MANY_RUNS}]}, BOT["dingtalkId"]
            ),
        ),
        BEIJING,
    ),
    # The sender.
    "B08 a userid with a blank": Case(group(" 帮助") | {"senderStaffId": "zhang san"}, HELP),
    "B08 an apology to such a userid": Case(
        group(" 天气 北京 昨天") | {"senderStaffId": "u\u200bx"}, "已经过去了"
    ),
    "C12 an unpublished robot without organisations": Case(
        group(" 我的绩效"),
        IN_PRIVATE,
        OWN_MARKS,
        without=("senderStaffId", "senderCorpId", "chatbotCorpId", "robotCode"),
    ),
    "C12 the same in a single chat": Case(
        single("我的绩效"), NOTHING_TO_SEE, OWN_MARKS, without=("senderCorpId", "chatbotCorpId")
    ),
    "C13 a sender of another organisation": Case(
        group(" 我的绩效", senderCorpId="dingother"),
        IN_PRIVATE,
        OWN_MARKS,
        without=("senderStaffId",),
    ),
    "C14 a single chat without a userid": Case(
        single("我的绩效"), NOTHING_TO_SEE, OWN_MARKS, without=("senderStaffId",)
    ),
    "C14 a userid of nothing": Case(
        single("我的绩效") | {"senderStaffId": ""}, NOTHING_TO_SEE, (*OWN_MARKS, "@ ")
    ),
    "an outgoing robot of 2021": Case(
        group("  哈哈哈", sceneGroupCode="project") | {"atUsers": [HIDDEN, BOT]}, SILENCE
    ),
    "a greeting in a meeting's group": Case(group(" 你好哇", sceneGroupCode="meeting"), HERE),
    # What is no question.
    "C15 the quota is used up": Case(group("", errorCode="20001"), SILENCE, is_stored=False),
    "B03 an empty object": Case({}, SILENCE, is_stored=False),
    "B32 an event subscription's callback": Case(
        {"encrypt": "MDEyMzQ1"}, SILENCE, ack=400, is_stored=False
    ),
    "C17 an expiry that is no time": Case(group(" 帮助", odd={"expiry": None}), HELP),
}
