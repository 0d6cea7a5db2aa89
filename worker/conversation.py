"""From a message to what is said in return: route it, ask the skill, and word what goes wrong.

No Redis and no DingTalk in here: the worker delivers what comes out, and tests read it.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast
from urllib.parse import quote
from zoneinfo import ZoneInfo

from shared import texts
from shared.errors import InvalidReplyError
from shared.ledger import End, Ending
from shared.message import Message
from shared.reply import MAX_TITLE_CHARS, ActionCard, Button, Reply, Text, plain
from worker.errors import BackendError, RefusalError, SkillError, UnclearError
from worker.routing import Route, Router
from worker.services import Services
from worker.skill import Answer, Ask, Skill
from worker.text import clean

logger = logging.getLogger(__name__)

CHINA = ZoneInfo("Asia/Shanghai")

ANSWERED = Ending(End.ANSWERED)
REFUSED = Ending(End.REFUSED)

_SEND = "dtmd://dingtalkclient/sendMessage?content="
"""DingTalk's link that sends a text to the bot when it is clicked."""


@dataclass(frozen=True, slots=True)
class Said:
    """What is said to the asker, and the ending that its delivery makes true."""

    reply: Reply = field(repr=False)
    ending: Ending
    private: bool = False
    """Whether it is for the asker alone, though asked in a group."""
    secret: bool = False
    """Whether it may stand nowhere but in a chat, not even in Redis until it is delivered."""


def china_now() -> datetime:
    """The present in China, which has one time zone."""
    return datetime.now(CHINA)


class Conversation:
    """What the bot says to a message.

    Args:
        router: finds the skill.
        services: what skills may use.
        threads: runs skills that block.
        skill_timeout_s: seconds that a skill may take unless it sets its own.
        unmatched: whether what no skill wants gets help, or silence.
        now: the clock.
    """

    def __init__(
        self,
        *,
        router: Router,
        services: Services,
        threads: Executor,
        skill_timeout_s: float,
        unmatched: Literal["empty", "help"],
        now: Callable[[], datetime] = china_now,
    ) -> None:
        self._router = router
        self._services = services
        self._threads = threads
        self._skill_timeout_s = skill_timeout_s
        self._unmatched = unmatched
        self._now = now

    async def reply(self, message: Message, *, left_s: float) -> Said | None:
        """Answer a message within `left_s` seconds; None for silence."""
        route = self._router.route(message.text)
        if route is None and self._unmatched == "empty":
            return None
        ask = Ask(
            text=route.text if route else clean(message.text),
            message=message,
            now=self._now(),
            services=self._services,
        )
        if route is None:
            route = self._router.route("help")
            similar = self._router.similar(message.text)
            if similar or route is None:
                return _unclear(ask, UnclearError(texts.DID_YOU_MEAN, suggestions=tuple(similar)))
        return await self._said(route, ask, left_s)

    async def _said(self, route: Route, ask: Ask, left_s: float) -> Said | None:
        """Ask the skill; whatever it raises becomes a sentence to the asker."""
        skill = route.skill
        try:
            private = _check_allowed(skill, ask)
            answer = await self._call(route, ask, left_s)
            if answer is None:
                return None
            return Said(_as_reply(answer), ANSWERED, private=private, secret=skill.private)
        except UnclearError as unclear:
            return _unclear(ask, unclear)
        except BackendError as error:
            logger.warning("skill %s: %s failed: %s", skill.name, error.service, error.reason)
            return _apology(ask, str(error), f"{error.service}: {error.reason}")
        except SkillError as refusal:
            return Said(_plain(ask, str(refusal)), REFUSED)
        except TimeoutError:
            logger.warning("skill %s took too long", skill.name)
            sentence, reason = texts.TIMED_OUT, "the skill took too long"
        except InvalidReplyError as error:
            logger.error("skill %s made an invalid reply: %s", skill.name, error)
            sentence, reason = texts.FAILED, f"invalid reply: {error}"
        except (Exception, SystemExit) as error:  # a skill's sys.exit() must not end the worker
            logger.exception("skill %s failed", skill.name)
            sentence, reason = texts.FAILED, f"{type(error).__name__} in the skill"
        return _apology(ask, sentence.format(skill=skill.summary), reason)

    async def _call(self, route: Route, ask: Ask, left_s: float) -> Answer:
        command = route.command
        arguments = command.signature.bind(
            route.arguments,
            usage=command.usage,
            ask=ask,
            now=ask.now,
            settings=self._services.settings,
        )
        timeout_s = route.skill.timeout_s or self._skill_timeout_s
        async with asyncio.timeout(min(timeout_s, left_s)):
            if inspect.iscoroutinefunction(command.function):
                return cast("Answer", await command.function(**arguments))
            loop = asyncio.get_running_loop()
            answer: Any = await loop.run_in_executor(
                self._threads, lambda: command.function(**arguments)
            )
            return cast("Answer", answer)


def _check_allowed(skill: Skill, ask: Ask) -> bool:
    """Whether the answer must be private.

    Raises:
        RefusalError: if the asker may not use the skill, or not here.
    """
    allow, is_group = skill.allow, ask.message.is_group
    if allow.chats == "group" and not is_group:
        raise RefusalError(texts.GROUP_ONLY.format(skill=skill.summary))
    if allow.chats == "single" and is_group:
        raise RefusalError(texts.SINGLE_ONLY.format(skill=skill.summary))
    known = not allow.staff_ids or ask.staff_id in allow.staff_ids
    here = not allow.conversation_ids or ask.message.conversation_id in allow.conversation_ids
    if not (known and here):
        raise RefusalError(texts.NOT_ALLOWED.format(skill=skill.summary))
    private = skill.private and is_group
    if private and not (ask.staff_id and ask.services.dingtalk):
        raise RefusalError(texts.ASK_PRIVATELY)
    return private


def _as_reply(answer: object) -> Reply:
    reply = Text(answer) if isinstance(answer, str) else answer
    if not isinstance(reply, Reply):
        why = f"a skill returns a reply, a string or None, not {type(reply).__name__}"
        raise InvalidReplyError("reply", why)
    return reply


def _plain(ask: Ask, sentence: str) -> Text:
    return Text(ask.say(sentence), at=ask.mention)


def _apology(ask: Ask, sentence: str, reason: str) -> Said:
    return Said(_plain(ask, sentence), Ending(End.DEAD, f"failed: {reason}"))


def _unclear(ask: Ask, unclear: UnclearError) -> Said:
    """Ask back; each suggestion is a button that sends it, and stands there to be typed as well."""
    question, suggestions = ask.say(str(unclear)), [ask.say(each) for each in unclear.suggestions]
    if not suggestions:
        return Said(Text(question, at=ask.mention), REFUSED)
    title = question if len(question) <= MAX_TITLE_CHARS else question[: MAX_TITLE_CHARS - 1] + "…"
    # The question may repeat what was typed.
    listed = "\n".join((plain(question), "", *(f"- {plain(each)}" for each in suggestions)))
    buttons = tuple(Button(each, _SEND + quote(each)) for each in suggestions)
    if len(buttons) == 1:
        return Said(ActionCard(title=title, text=listed, link=buttons[0]), REFUSED)
    return Said(ActionCard(title=title, text=listed, buttons=buttons), REFUSED)
