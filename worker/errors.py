"""What can go wrong in a skill, each with the sentence that the asker gets."""

from shared.errors import DingdaError
from shared.texts import CROWDED, MISCONFIGURED, UNAVAILABLE


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
    """It is down, too slow or overloaded: another one, or later, may help."""


class BackendBusyError(BackendError):
    """So many were asking that the call was never made: no fault of the backend's."""

    sentence = CROWDED


class BackendProtocolError(BackendError):
    """It answered something that can't be understood."""


class BackendRefusedError(BackendError):
    """It refuses us: a key, a quota or a permission is wrong. An operator must act."""

    sentence = MISCONFIGURED
