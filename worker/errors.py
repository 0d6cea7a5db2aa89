"""What can go wrong in a skill, each with the sentence that the asker gets."""

from datetime import datetime

from dingda.shared.clock import CHINA
from dingda.shared.errors import DingdaError
from dingda.shared.texts import CROWDED, MISCONFIGURED, UNAVAILABLE, USED_UP

MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading an answer may raise whose JSON is not built as it should be."""


class SkillError(DingdaError):
    """The root of what a skill may raise; its text is a plain sentence to the asker."""


class RefusalError(SkillError):
    """There is no answer, and the sentence says why: no right, or an argument that can't be."""


class UnclearError(SkillError):
    """It is not clear what was asked; `suggestions` are texts to click and send instead."""

    def __init__(self, question: str, *, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(question)
        self.suggestions = suggestions


class BackendError(SkillError):
    """A backend did not do its part; `service` is its name, `reason` is for the log only."""

    sentence = UNAVAILABLE

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(self.sentence.format(service=service))
        self.service = service
        self.reason = reason


class BackendUnavailableError(BackendError):
    """It is down, too slow or overloaded: another one, or later, may help.

    `retry_after_s` is how long it asked to be left alone, if it did.
    """

    def __init__(self, service: str, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(service, reason)
        self.retry_after_s = retry_after_s


class BackendBusyError(BackendError):
    """So many were asking that the call was never made: no fault of the backend's."""

    sentence = CROWDED


class BackendQuotaError(BackendError):
    """Our quota there is used up until `until`; the sentence says when, not just "later"."""

    def __init__(self, service: str, reason: str, *, until: datetime, now: datetime) -> None:
        self.sentence = USED_UP.replace("{until}", _moment(until, now))
        super().__init__(service, reason)
        self.until = until


class BackendProtocolError(BackendError):
    """It answered something that can't be understood."""


class BackendRefusedError(BackendError):
    """It refuses us: a key, a quota or a permission is wrong. An operator must act."""

    sentence = MISCONFIGURED


def _moment(moment: datetime, now: datetime) -> str:
    """A moment to come as people say it in China: 今天 15:00, 明天 08:00, 12月1日 00:00."""
    local = moment.astimezone(CHINA)
    away = (local.date() - now.astimezone(CHINA).date()).days
    day = {0: "今天", 1: "明天"}.get(away, f"{local.month}月{local.day}日")
    return f"{day} {local:%H:%M}"
