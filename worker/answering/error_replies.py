"""What goes wrong with a skill, in words: a sentence to the sender, and a reason for operators."""

import logging

from dingda.shared import texts
from dingda.shared.dingtalk.reply import Text
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.states import Completion, DeadReason, Outcome
from dingda.shared.runtime.logs import class_name, trace
from dingda.worker.answering.admission import NoPlaceError
from dingda.worker.answering.response import DECLINED, Response
from dingda.worker.answering.safe_reply import question_back, reason, sentence
from dingda.worker.contained import AbortedError
from dingda.worker.errors import BackendError, ClarificationNeeded, SkillError
from dingda.worker.sdk.context import Context
from dingda.worker.sdk.skill import Skill

logger = logging.getLogger(__name__)


def response_to_error(error: BaseException, skill: Skill, ctx: Context) -> Response:
    """What the sender hears of an error, whatever it is made of, and how the message ends.

    Args:
        error: what the skill raised, or what kept it from being asked.
        skill: the one that was asked.
        ctx: what it was asked.
    """
    try:
        return _in_words(error, skill, ctx)
    except BaseException as another:  # noqa: BLE001 - an error's own words may raise anything
        # Its attributes may be missing as well: those of a subclass that forgot its
        # super().__init__(), say.
        name = class_name(error)
        logger.error("skill %s: %s can't be put into words: %s", skill.name, name, trace(another))
        return Response(Text(texts.LAST_RESORT), failed(f"{name} in the skill"))


def _in_words(error: BaseException, skill: Skill, ctx: Context) -> Response:
    match error:
        case ClarificationNeeded():
            return Response(question_back(ctx, error, error.suggestions), DECLINED)
        case BackendError():
            why = reason(f"{error.service}: {error.reason}")
            logger.warning("skill %s: a backend failed: %s", skill.name, why)
            return _apology(ctx, error, why)
        case SkillError():
            return Response(sentence(ctx, error), DECLINED)
        case NoPlaceError():
            words = texts.TOO_MANY_ASK.format(skill=skill.summary)
            return Response(
                sentence(ctx, words), Completion(Outcome.DECLINED, detail=f"busy: {error}")
            )
        case TimeoutError():
            logger.warning("skill %s took too long", skill.name)
            words, why = texts.TIMED_OUT, "the skill took too long"
        case InvalidReplyError():
            why = reason(f"invalid reply: {error}")
            logger.error("skill %s made an %s", skill.name, why)
            words = texts.FAILED
        case _:
            logger.error("skill %s failed: %s", skill.name, trace(error))
            name = error.name if isinstance(error, AbortedError) else class_name(error)
            words, why = texts.FAILED, f"{name} in the skill"
    return _apology(ctx, words.format(skill=skill.summary), why)


def _apology(ctx: Context, words: object, why: str) -> Response:
    return Response(sentence(ctx, words), failed(why))


def failed(why: str) -> Completion:
    """The end of a message that got no more than an apology; `why` is for operators."""
    return Completion(Outcome.DEAD, DeadReason.FAILED, why)
