"""A test kit for skills: ask one, or call its hooks, with no Redis and no network."""

from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal

import httpx
from pydantic_settings import BaseSettings

from dingda.shared.dingtalk.card_action import CardAction
from dingda.shared.dingtalk.event import Event
from dingda.shared.dingtalk.message import SESSION_LIFE_MS, Message
from dingda.shared.dingtalk.notification import LIFE_MS, Notification
from dingda.shared.dingtalk.reply import Reply
from dingda.shared.dingtalk.tick import Tick
from dingda.shared.ledger.states import Completion
from dingda.shared.runtime.clock import china_now
from dingda.worker.answering.continuing import dialogue_after
from dingda.worker.answering.hook_caller import HookCaller
from dingda.worker.answering.hooks import completion_of_hooks
from dingda.worker.answering.inspection import AuthorsNotes
from dingda.worker.answering.responder import Responder
from dingda.worker.answering.response import Response
from dingda.worker.answering.routing import Router
from dingda.worker.sdk.loader import load_skill_settings
from dingda.worker.sdk.services import Services
from dingda.worker.sdk.skill import Skill
from dingda.worker.services.address_book import AddressBook, Person
from dingda.worker.services.cache import Cache
from dingda.worker.services.database import Databases
from dingda.worker.services.http_client import Http
from dingda.worker.services.media import Media
from dingda.worker.services.memory_cache import MemoryCache
from dingda.worker.services.pusher import Pusher

TIMEOUT_S = 30.0


class People:
    """An address book of these people.

    Args:
        people: who is in it.
        departments: the names of their departments, by id.

    >>> book = People(Person("0002", "李四", department_ids=(7,)), departments={7: "市场部"})
    >>> asyncio.run(book.department(7))
    '市场部'
    """

    def __init__(self, *people: Person, departments: Mapping[int, str] | None = None) -> None:
        self._people = {person.staff_id: person for person in people}
        self._departments = departments or {}

    async def find(self, name: str) -> list[str]:
        """The userids of the people of a name."""
        return [person.staff_id for person in self._people.values() if person.name == name]

    async def person(self, staff_id: str) -> Person | None:
        """Somebody by userid."""
        return self._people.get(staff_id)

    async def department(self, department_id: int) -> str:
        """The name of a department."""
        return self._departments.get(department_id, "")


async def ask(skill: Skill, text: str, **circumstances: Any) -> Reply | None:
    """Ask a skill, and return what the sender would see; None if it stays silent.

    Refusals, questions back and apologies are replies as well. See `listen` for the circumstances,
    and for whether the reply is private.

    >>> @skill.command("咖啡")
    ... def coffee() -> str:
    ...     return "咖啡好了"
    >>> asyncio.run(ask(skill, "咖啡")) == Text("咖啡好了")
    True
    """
    response = await listen(skill, text, **circumstances)
    return response.reply if response else None


async def listen(  # noqa: PLR0913 - the circumstances that a test may choose
    skill: Skill,
    text: str,
    *,
    staff_id: str = "0001",
    nick: str = "张三",
    group: bool = True,
    now: datetime | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    settings: Sequence[BaseSettings] = (),
    dingtalk: AddressBook | None = None,
    cache: Cache | None = None,
    media: Media | None = None,
    pushes: Pusher | None = None,
    unmatched: Literal["hint", "help", "empty"] = "empty",
    beside: Sequence[Skill] = (),
    crashes: int = 0,
    **message_fields: Any,
) -> Response | None:
    """Ask a skill, and return the response with the completion that the message would get.

    Args:
        skill: the one to ask.
        text: what the sender types.
        staff_id: the sender's userid; "" as before the robot is published.
        nick: the sender's nickname.
        group: whether it is asked in a group rather than a single chat.
        now: the clock; the present in China unless given.
        transport: plays the backends, such as `httpx.MockTransport(handler)` or
            `httpx.ASGITransport(app)`; without one every call fails as if the network were closed.
        settings: the skill's settings; those not given are read from the environment.
        dingtalk: the address book, such as `People(Person("0002", "李四"))`; None as if none were
            set up.
        cache: a new `MemoryCache` unless given.
        media: pictures and files, such as `MemoryMedia({"code": png})`; None as if there were no
            account for the OpenAPI.
        pushes: takes what is pushed, such as `Pushes()`; without it a push fails.
        unmatched: what a text gets that the skill doesn't want: by default nothing, so that a test
            sees which words are the skill's.
        beside: other skills that are loaded after it.
        crashes: how many workers die once the skill has returned and before its reply is sent: it
            is called again each time, with the same idempotency key.
        message_fields: other fields of `shared.dingtalk.message.Message`.

    >>> @skill.command("咖啡")
    ... def coffee() -> str:
    ...     return "咖啡好了"
    >>> asyncio.run(listen(skill, "咖啡")).private
    False
    """
    message = Message(
        id="0" * 64,
        conversation_id="cidTEST==",
        conversation_title="测试群" if group else "",
        is_group=group,
        sender_staff_id=staff_id,
        sender_nick=nick,
        text=text,
        session_webhook="https://oapi.dingtalk.com/robot/sendBySession?session=test",
        session_expires_ms=None,
        **message_fields,
    )
    response, _ = await respond_to(
        message,
        [skill, *beside],
        now=now,
        transport=transport,
        settings=settings,
        dingtalk=dingtalk,
        cache=cache,
        media=media,
        pushes=pushes,
        unmatched=unmatched,
        crashes=crashes,
    )
    return response


async def respond_to(  # noqa: PLR0913 - as `listen`
    message: Message,
    skills: Sequence[Skill],
    *,
    asked: str = "",
    now: datetime | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    settings: Sequence[BaseSettings] = (),
    dingtalk: AddressBook | None = None,
    cache: Cache | None = None,
    media: Media | None = None,
    pushes: Pusher | None = None,
    unmatched: Literal["hint", "help", "empty"] = "empty",
    crashes: int = 0,
) -> tuple[Response | None, str]:
    """Ask skills by a whole message.

    Args:
        message: the message.
        skills: of the robot.
        asked: what its sender was asked before, `Lease.dialogue`.
        now: as of `listen`, like those that follow.
        transport: plays the backends.
        settings: the skills' settings.
        dingtalk: the address book.
        cache: a new `MemoryCache` unless given.
        media: pictures and files.
        pushes: takes what is pushed, such as `Pushes()`; without it a push fails.
        unmatched: what a text gets that no skill wants.
        crashes: how many attempts are lost before the one whose response is returned.

    Returns:
        The response, and what it does to the dialogue (`shared.ledger.dialogues`).
    """
    given = services_for(skills, transport, settings, dingtalk, cache, media, pushes)
    async with given as (services, threads):
        responder = Responder(
            router=Router(skills),
            services=services,
            threads=threads,
            skill_timeout_s=TIMEOUT_S,
            unmatched=unmatched,
            now=(lambda: now) if now else china_now,
        )
        route = responder.route(message, asked)
        for _ in range(crashes + 1):
            response = await responder.respond(
                message, route, timeout_s=SESSION_LIFE_MS / 1000, notes=AuthorsNotes()
            )
        return response, dialogue_after(response, route)


async def fire(  # noqa: PLR0913 - the circumstances that a test may choose
    skill: Skill,
    what: Event | CardAction | Tick,
    *,
    robot_code: str = "dingrobot",
    idempotency_key: str = "0" * 64,
    now: datetime | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    settings: Sequence[BaseSettings] = (),
    dingtalk: AddressBook | None = None,
    cache: Cache | None = None,
    media: Media | None = None,
    pushes: Pusher | None = None,
) -> Completion:
    """Call a skill's hooks for an event, a card action or a tick, once each.

    Args:
        skill: the one whose hooks are called.
        what: happened.
        robot_code: the robot that is told.
        idempotency_key: of the context; give it again to play another attempt.
        now: as of `listen`, like those that follow.
        transport: plays the backends.
        settings: the skill's settings.
        dingtalk: the address book.
        cache: a new `MemoryCache` unless given.
        media: pictures and files.
        pushes: takes what is pushed, such as `Pushes()`; without it a push fails.

    Returns:
        `answered` if a hook returned, `unmatched` if there is none, `declined` if it refused. What
        it raised else makes it `dead`, where the worker would call it again a few times first.

    >>> @skill.event("chat_disband")
    ... async def note(event: Event) -> None:
    ...     raise RuntimeError("no beans")
    >>> print(asyncio.run(fire(skill, Event("chat_disband"))))
    dead (failed: RuntimeError in the skill)
    """
    notification = Notification(robot_code, what)
    given = services_for([skill], transport, settings, dingtalk, cache, media, pushes)
    async with given as (services, threads):
        caller = HookCaller(
            skills=[skill],
            services=services,
            threads=threads,
            skill_timeout_s=TIMEOUT_S,
            now=(lambda: now) if now else china_now,
            new_notes=AuthorsNotes,
        )
        results = [
            await caller.call(
                found, notification, idempotency_key=idempotency_key, timeout_s=LIFE_MS / 1000
            )
            for found in caller.find(notification)
        ]
    return completion_of_hooks(results)


@asynccontextmanager
async def services_for(
    skills: Sequence[Skill],
    transport: httpx.AsyncBaseTransport | None,
    settings: Sequence[BaseSettings],
    dingtalk: AddressBook | None,
    cache: Cache | None,
    media: Media | None,
    pushes: Pusher | None,
) -> AsyncIterator[tuple[Services, Executor]]:
    """What skills may use in a test, and a thread for those that block."""
    given = {type(each): each for each in settings}
    databases = Databases()
    async with httpx.AsyncClient(transport=transport or httpx.MockTransport(_closed)) as client:
        with ThreadPoolExecutor(1) as threads:
            services = Services(
                http=Http(client),
                cache=cache or MemoryCache(),
                databases=databases,
                dingtalk=dingtalk,
                pusher=pushes,
                settings=load_skill_settings(skills) | given,
                media=media,
            )
            try:
                yield services, threads
            finally:
                databases.close()


def _closed(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("a test reaches no network", request=request)
