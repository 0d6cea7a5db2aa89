"""Answer one text in this process, as the worker would: no Redis, and nothing is sent."""

import time
from dataclasses import dataclass, field

from dingda.shared.dingtalk.message import SESSION_LIFE_MS, Message
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.runtime.egress import Egress
from dingda.shared.runtime.preflight import warn_of_unknown
from dingda.shared.runtime.settings import Settings
from dingda.worker.answering.help import help_skill
from dingda.worker.answering.inspection import AuthorsNotes
from dingda.worker.answering.responder import Responder
from dingda.worker.answering.response import Response
from dingda.worker.answering.routing import Router
from dingda.worker.engine.threads import SkillThreads
from dingda.worker.sdk.loader import load_skill_settings, load_skills, names_read
from dingda.worker.sdk.services import Services
from dingda.worker.services.backend_client import BackendClient
from dingda.worker.services.database import Databases
from dingda.worker.services.http_client import Http
from dingda.worker.services.memory_cache import MemoryCache


@dataclass(frozen=True, slots=True)
class OfflineAnswer:
    """The answer to a text, and the skill that gave it."""

    skill: str
    """The skill's name; "" if none wants the text."""
    took_ms: int
    """How long the answer took, in milliseconds, without loading the skills."""
    response: Response | None = field(repr=False)
    """None for silence."""


async def answer_offline(
    text: str, settings: Settings, robot: Robot, *, staff_id: str, nick: str, single: bool
) -> OfflineAnswer:
    """Answer a text.

    The skills are those that a worker with these settings loads for the robot. They reach their
    backends; what they cache is forgotten afterwards, and DingTalk's address book is out of reach.
    The group is one of the robot's.

    Args:
        text: the text, without the mention.
        settings: the worker's.
        robot: the one that is asked.
        staff_id: the sender's userid; "" as before the robot is published.
        nick: the sender's nickname.
        single: whether the chat is a single one rather than a group.
    """
    skills = load_skills(settings.skills_of(robot))
    warn_of_unknown(names_read(skills))
    databases, threads = Databases(), SkillThreads()
    egress = Egress(settings.proxy_url.get_secret_value(), settings.no_proxy)
    async with BackendClient(egress) as backends:
        responder = Responder(
            router=Router([*skills, help_skill(skills)], own_name=robot.name),
            services=Services(
                http=Http(backends),
                cache=MemoryCache(),
                databases=databases,
                dingtalk=None,
                settings=load_skill_settings(skills),
            ),
            threads=threads,
            skill_timeout_s=settings.skill_timeout,
            unmatched=settings.unmatched,
        )
        message = _message(text, robot, staff_id=staff_id, nick=nick, single=single)
        try:
            began_s = time.monotonic()
            route = responder.route(message)
            response = await responder.respond(
                message, route, timeout_s=SESSION_LIFE_MS / 1000, notes=AuthorsNotes()
            )
            took_ms = round((time.monotonic() - began_s) * 1000)
            return OfflineAnswer(route.skill.name if route else "", took_ms, response)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            databases.close()


def _message(text: str, robot: Robot, *, staff_id: str, nick: str, single: bool) -> Message:
    return Message(
        id="0" * 64,
        conversation_id="cidOFFLINE==",
        conversation_title="" if single else "dingda ask",
        is_group=not single,
        sender_staff_id=staff_id,
        sender_nick=nick,
        text=text,
        session_webhook="",
        session_expires_ms=None,
        robot_code=robot.code,
        # A question is asked of whoever can be told apart.
        ordering_key=staff_id,
    )
