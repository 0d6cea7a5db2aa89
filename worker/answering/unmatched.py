"""The hint for a message that no skill wants: one line where one is expected, or nothing.

A group is full of sentences that are no questions, and a bot that comments on each is a nuisance.
So only what is surely meant for the bot gets a hint.
"""

from dingda.shared.dingtalk.content import Kind
from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import Reply
from dingda.shared.texts import AT_YOUR_SERVICE, DID_YOU_MEAN, NOT_HEARD, ONLY_WORDS, TOO_LONG
from dingda.worker.answering.routing import Router
from dingda.worker.answering.safe_reply import question_back, sentence
from dingda.worker.language.patterns import Pattern
from dingda.worker.language.text import MAX_CHARS, fold
from dingda.worker.sdk.context import Context

_SOFTENERS = r"(?:[呀啊哇哦呢吗么吧了的诶 ]|机器人|小助手|助手|大家|everyone|there|bot)*"
_GREETING = Pattern(
    rf"^(?:你好|您好|大家好|哈喽|哈啰|嗨|喂|早|早安|早上好|上午好|中午好|下午好|晚上好|hi|hello|hey"
    rf"|在|在不在|有人|在不|测试|test|ping|good (?:morning|afternoon|evening)){_SOFTENERS}$"
)
_HELP_REQUEST = Pattern(
    r"^(?:请问 ?)?(?:你|您|机器人|这个?|它)?(?:都|还|到底|该|要)?"
    r"(?:(?:能|会|可以)(?:做|干|帮我做|帮我干)?些?(?:什么|啥|哪些)|(?:怎么|如何)(?:用|使用|玩)"
    r"|有(?:什么|哪些|啥)(?:功能|指令|命令|用)|使用(?:说明|方法|帮助)|是谁|帮帮[我忙]|需要帮助|求助|救命|说明书)"
    r"|^(?:what can you do|how (?:do i|to) use|help me|(?:i )?need help|who are you)"
)
_HELP_WORDS = frozenset({"功能", "指令", "命令", "说明", "用法", "帮忙", "commands", "usage", "h"})
_MAX_HELP_REQUEST_CHARS = 24


def hint(ctx: Context, router: Router) -> Reply | None:
    """The hint, or None for silence.

    Args:
        ctx: the message that no skill wants.
        router: finds the commands that it may have been meant as.
    """
    message, words = ctx.message, fold(ctx.text)
    if not words:
        return _hint_without_text(ctx, message)
    if _is_greeting_or_help_request(words):
        return sentence(ctx, AT_YOUR_SERVICE)
    similar = router.similar(ctx.text)
    if similar and len(ctx.text) > MAX_CHARS:
        return sentence(ctx, TOO_LONG)
    return question_back(ctx, DID_YOU_MEAN, similar) if similar else None


def _hint_without_text(ctx: Context, message: Message) -> Reply | None:
    if message.voice:
        return sentence(ctx, NOT_HEARD)
    if message.kind in (Kind.TEXT, Kind.RICH_TEXT, Kind.MARKDOWN) and not message.pictures:
        # The bot's name alone calls it; punctuation and emoji don't.
        is_call = not ctx.text.strip() and not message.mentions
        return sentence(ctx, AT_YOUR_SERVICE) if is_call else None
    # In a group it may be meant for the others that are mentioned.
    return None if message.mentions else sentence(ctx, ONLY_WORDS)


def _is_greeting_or_help_request(words: str) -> bool:
    if len(words) > _MAX_HELP_REQUEST_CHARS:
        return False
    return words in _HELP_WORDS or bool(_GREETING.search(words) or _HELP_REQUEST.search(words))
