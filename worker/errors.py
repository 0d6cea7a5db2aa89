"""The errors that a skill may raise, each with the sentence that the sender gets."""

from datetime import datetime

from dingda.shared.errors import DingdaError
from dingda.shared.runtime.clock import CHINA
from dingda.shared.texts import CROWDED, MISCONFIGURED, UNAVAILABLE, USED_UP

MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""Errors that reading a response may raise if its JSON has another structure than expected.

>>> try:
...     hours = float({"hours": None}["hours"])
... except MALFORMED as error:
...     print(BackendProtocolError("工时系统", type(error).__name__).reason)
TypeError
"""


class SkillError(DingdaError):
    """The root of what a skill may raise; its text is a plain sentence to the sender.

    >>> isinstance(RefusalError("只能查自己的假期"), SkillError)
    True
    """


class RefusalError(SkillError):
    """There is no answer, and the sentence says why: no permission, or an invalid argument.

    >>> @skill.command("假期")
    ... def leave(ctx: Context) -> str:
    ...     raise RefusalError("只能在单聊里查假期")
    >>> asyncio.run(ask(skill, "假期")).content
    '只能在单聊里查假期'
    """


class ClarificationNeeded(SkillError):  # noqa: N818 - a question back, no fault
    """It is not clear what was asked; `suggestions` are texts to click and send instead.

    >>> @skill.command("查天气")
    ... def weather(ctx: Context) -> str:
    ...     raise ClarificationNeeded("哪个城市？", suggestions=("查天气 北京", "查天气 上海"))
    >>> [button.title for button in asyncio.run(ask(skill, "查天气")).buttons]
    ['查天气 北京', '查天气 上海']
    """

    def __init__(self, question: str, *, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(question)
        self.suggestions = suggestions


class ArgumentNeeded(ClarificationNeeded):
    """Something is missing that was not typed: the next message may hold it.

    Then the command is called as if all had been typed at once. What its parameters require is
    asked for by itself; this is for a function that sees later what is missing.

    Args:
        question: what is asked.
        suggestions: as of `ClarificationNeeded`.
        lacking: names what is missing; the question unless given.
        rest: what was typed and not understood; then the next message is read by itself.

    >>> @skill.command("查天气")
    ... def weather(ctx: Context, where: str = "") -> str:
    ...     if not where:
    ...         raise ArgumentNeeded("哪个城市？")
    ...     return f"{where}：晴"
    >>> async def talk() -> None:
    ...     chat = Conversation(skill)
    ...     for text in ("查天气", "北京"):
    ...         print((await chat.say(text)).content)
    >>> asyncio.run(talk())
    哪个城市？
    北京：晴
    """

    def __init__(
        self,
        question: str,
        *,
        suggestions: tuple[str, ...] = (),
        lacking: str = "",
        rest: str = "",
    ) -> None:
        super().__init__(question, suggestions=suggestions)
        self.lacking = lacking or question
        self.rest = rest


class BackendError(SkillError):
    """A backend did not do its part; `service` is its name, `reason` is for the log only.

    >>> issubclass(BackendUnavailableError, BackendError)
    True
    """

    sentence = UNAVAILABLE

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(self.sentence.format(service=service))
        self.service = service
        self.reason = reason


class BackendUnavailableError(BackendError):
    """It is down, too slow or overloaded: another one, or later, may help.

    `retry_after_s` is how long it asked to be left alone, if it did.

    >>> str(BackendUnavailableError("工时系统", "HTTP 503"))
    '工时系统暂时连不上，不是你的问题，请稍后再试'
    """

    def __init__(self, service: str, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(service, reason)
        self.retry_after_s = retry_after_s


class BackendBusyError(BackendError):
    """Too many calls were waiting, so this one was never made: no fault of the backend's.

    >>> str(BackendBusyError("工时系统", "20 calls in line"))
    '现在查工时系统的人太多了，没有轮到你，请过几分钟再问'
    """

    sentence = CROWDED


class BackendQuotaError(BackendError):
    """Our quota there is used up until `until`; the sentence says when, not just "later".

    >>> now, until = datetime(2026, 11, 28, 9, tzinfo=UTC), datetime(2026, 11, 28, 16, tzinfo=UTC)
    >>> str(BackendQuotaError("天气服务", "10003", until=until, now=now))
    '天气服务的查询次数用完了，明天 00:00 才会恢复，不是你的问题'
    """

    def __init__(self, service: str, reason: str, *, until: datetime, now: datetime) -> None:
        self.sentence = USED_UP.replace("{until}", _moment(until, now))
        super().__init__(service, reason)
        self.until = until


class BackendProtocolError(BackendError):
    """Its response can't be understood.

    >>> BackendProtocolError("工时系统", "no hours").reason
    'no hours'
    """


class BackendConfigError(BackendError):
    """It rejects our requests: a key, a quota or a permission is wrong. An operator must act.

    >>> str(BackendConfigError("工时系统", "HTTP 401"))
    '工时系统的配置有问题，不是你的问题，请联系管理员'
    """

    sentence = MISCONFIGURED


def _moment(moment: datetime, now: datetime) -> str:
    """A moment to come as people say it in China: 今天 15:00, 明天 08:00, 12月1日 00:00."""
    local = moment.astimezone(CHINA)
    away = (local.date() - now.astimezone(CHINA).date()).days
    day = {0: "今天", 1: "明天"}.get(away, f"{local.month}月{local.day}日")
    return f"{day} {local:%H:%M}"
