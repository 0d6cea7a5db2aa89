"""A worker for tests: a real ledger, skill and answerer, and a scripted fake of DingTalk."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import fakeredis
import httpx

from dingda.shared.dingtalk.groups import CustomRobotAddress, Groups
from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Counts, Lease
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.cancel_reason import CancelReason
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.shared.runtime.tracing import Tracing
from dingda.skill import Skill, Text
from dingda.testing import MemoryCache
from dingda.worker.answering.admission import Admission
from dingda.worker.answering.answerer import Answerer
from dingda.worker.answering.hook_caller import HookCaller
from dingda.worker.answering.inspection import NewNotes, only_notes
from dingda.worker.answering.late import LateReplies
from dingda.worker.answering.metrics import AnsweringMetrics
from dingda.worker.answering.responder import Responder
from dingda.worker.answering.robots import AnsweringRobot, FindRobot
from dingda.worker.answering.routing import Router
from dingda.worker.delivery.minute_limit import MinuteLimit
from dingda.worker.delivery.push import PushChannel
from dingda.worker.delivery.transport import BeforeSend, Request, Response
from dingda.worker.delivery.webhook import WebhookChannel
from dingda.worker.engine.threads import SkillThreads
from dingda.worker.sdk.services import Services
from dingda.worker.services.database import Databases
from dingda.worker.services.http_client import Http
from dingda.worker.services.ledger_pusher import LedgerPusher
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.fake_cards import FakeCards
from tests.support.openapi_clients import a_token, contacts_of, private_channel, robot_api

GROUPS = Groups(
    {
        "ops": "cidOPS==",
        "all": CustomRobotAddress("https://oapi.dingtalk.com/robot/send?access_token=t", "SECs"),
    }
)
ORIGINS = ("https://oapi.dingtalk.com:443",)
Step = dict[str, Any] | int | Exception | Callable[[], Awaitable[None]]
SkillFunction = Callable[..., Any]


class FakeDingTalk:
    """A fake of DingTalk: connects, awaits the claim, takes the request, responds as scripted.

    A step is the response's JSON, its HTTP status, an error after the request was taken, or
    something to await before the response. Without steps every request succeeds.
    """

    def __init__(self, well: dict[str, Any]) -> None:
        self.script: list[Step] = []
        self.before_claim: list[Callable[[], Awaitable[None]] | None] = []
        """What to await while the connection is made, for one request after the other."""
        self.taken: list[Request] = []
        self.expected: list[str] = []
        """The URLs that connections are kept ready for."""
        self._well = well

    @property
    def bodies(self) -> list[bytes]:
        return [request.content for request in self.taken]

    @contextmanager
    def expect(self, url: str) -> Iterator[None]:
        self.expected.append(url)
        try:
            yield
        finally:
            self.expected.remove(url)

    async def exchange(self, request: Request, claim: BeforeSend) -> Response:
        step = self.script.pop(0) if self.script else self._well
        if isinstance(step, httpx.ConnectError):
            raise step
        connecting = self.before_claim.pop(0) if self.before_claim else None
        if connecting:
            await connecting()
        await claim()
        self.taken.append(request)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, int):
            return Response(step, b"")
        if callable(step):
            await step()
            step = self._well
        return Response(200, json.dumps(step).encode())


class WorkerHarness:
    """An `Answerer` with its ledger, and what a test wants to see of them and do to them."""

    def __init__(self, ledger: Ledger, redis: Any, server: fakeredis.FakeServer) -> None:
        self.ledger = ledger
        self.admin = LedgerAdmin(redis, JobQueue.create("dingda", skill_timeout_s=30))
        self.redis = redis
        self.server = server
        self.chat = FakeDingTalk({"errcode": 0, "errmsg": "ok"})
        self.private = FakeDingTalk({"processQueryKey": "abc"})
        self.pushed = FakeDingTalk({"processQueryKey": "abc", "errcode": 0})
        self.answerer: Answerer
        self.find_robot: FindRobot

    @property
    def said(self) -> list[str]:
        """The texts sent to the chat."""
        return [request_text(request) for request in self.chat.taken]

    async def accept(self, text: str = "问", **fields: Any) -> Message:
        message = a_message(text, **fields)
        await self.ledger.accept([(message, a_callback(text, **fields))], backlog_limit=100)
        return message

    async def answer(self, message: Message) -> None:
        await self.answerer.answer(message.id)

    async def asked(self, text: str = "问", **fields: Any) -> Message:
        """Accept a message and take it as far as it goes."""
        message = await self.accept(text, **fields)
        await self.answer(message)
        return message

    async def rest(self, message: Message) -> None:
        """Let the pause before the next attempt pass by."""
        await self.redis.hset(KEYS.message(message.id), "not_before_ms", 0)
        await self.overdue(message)

    async def rests_until(self, message: Message) -> int:
        """When the pause before the next attempt is over, in ms since 1970."""
        return int((await self.stored(message))["not_before_ms"])

    async def overdue(self, message: Message) -> None:
        """Let the time pass by when somebody must look at a message, and look."""
        assert await self.redis.zscore(KEYS.due, message.id) is not None
        await self.redis.zadd(KEYS.due, {message.id: 0})
        await self.ledger.sweep()

    async def taken_over(self, message: Message) -> Lease:
        """Let another worker take a message, as if the first had been away."""
        await self.overdue(message)
        lease = await self.ledger.lease(message.id)
        assert isinstance(lease, Lease)
        return lease

    async def stored(self, message: Message) -> dict[str, str]:
        return dict(await self.redis.hgetall(KEYS.message(message.id)))

    async def state(self, message: Message) -> str:
        """The state, with the reason of a dead letter."""
        found = await self.stored(message)
        return ": ".join(filter(None, map(found.get, ("state", "reason", "detail"))))

    async def counts(self) -> Counts:
        return await self.admin.counts()

    async def everything(self) -> str:
        """All that stands in Redis about messages, in one string."""
        found = [await self.redis.hgetall(key) for key in await self.redis.keys(KEYS.message("*"))]
        found += [await self.redis.get(key) for key in await self.redis.keys("dingda:cache:*")]
        return str(found)


class CountingSkill:
    """A skill that counts how often it is asked, and waits as long as it is told to."""

    def __init__(self, *, takes_s: float = 0.0) -> None:
        self.asked = 0
        self.begun = asyncio.Event()
        self._takes_s = takes_s

    async def tell(self) -> Text:
        self.asked += 1
        self.begun.set()
        await asyncio.sleep(self._takes_s)
        return Text(f"第{self.asked}次")


def well() -> str:
    """A skill that answers at once."""
    return "好"


async def stop(answering: "asyncio.Task[None]", *reason: CancelReason) -> None:
    """Cancel what answers, as the worker does, and wait until it has ended."""
    answering.cancel(*reason)
    with suppress(asyncio.CancelledError):
        await answering
    assert answering.cancelled()


def request_text(request: Request) -> str:
    payload = json.loads(request.content)
    return str(payload.get("text", {}).get("content") or payload)


@asynccontextmanager
async def open_worker(
    function: SkillFunction,
    *,
    private: bool = False,
    notice_after_s: float = 0.0,
    lease_ms: int = 20_000,
    timeout_s: float = 30.0,
    places: int = 100,
    waiting: int = 100,
    metrics: AnsweringMetrics | None = None,
    tracing: Tracing | None = None,
    known: str | None = None,
    late_ms: int = 0,
    can_push_late: bool = True,
    hooking: Sequence[Skill] = (),
    cards: FakeCards | None = None,
    new_notes: NewNotes = only_notes,
) -> AsyncIterator[WorkerHarness]:
    """A worker whose one skill answers `问`; at the end the ledger's invariant must hold.

    It knows one robot: the one with the code `known`, or for None whichever is spoken to. The hooks
    of the skills `hooking` are called. Answers grow on `cards`.
    """
    server = fakeredis.FakeServer()
    redis = fakeredis.FakeAsyncRedis(server=server, decode_responses=True)
    queue = JobQueue.create("dingda", skill_timeout_s=30)
    ledger = Ledger(redis, queue, journal=1_000, lease_ms=lease_ms, late_ms=late_ms)
    made = WorkerHarness(ledger, redis, server)
    admission = Admission(places, waiting=waiting)
    skill = Skill("test", summary="测试", private=private)
    skill.command("问", "問")(function)
    tokens = httpx.MockTransport(
        lambda _: httpx.Response(200, json={"accessToken": "t", "expireIn": 7200})
    )
    with SkillThreads(1) as threads:
        async with (
            httpx.AsyncClient(transport=tokens) as backends,
            httpx.AsyncClient(transport=cards.transport if cards else None) as card_client,
        ):
            token = a_token(backends)
            pusher = LedgerPusher(made.ledger, known or "", backlog_limit=100, why_not=lambda _: "")
            services = Services(
                http=Http(backends),
                cache=MemoryCache(),
                databases=Databases(),
                dingtalk=contacts_of(backends, token),
                pusher=pusher,
            )
            push = PushChannel(
                made.pushed,
                robot_api(made.pushed, token),
                GROUPS,
                MinuteLimit(redis, KEYS),
                now_ms=wall_clock_ms,
            )
            robot = AnsweringRobot(
                Responder(
                    router=Router([skill]),
                    services=services,
                    threads=threads,
                    skill_timeout_s=timeout_s,
                    unmatched="empty",
                    admission=admission,
                    metrics=metrics,
                ),
                HookCaller(
                    skills=hooking,
                    services=services,
                    threads=threads,
                    skill_timeout_s=timeout_s,
                    admission=admission,
                    metrics=metrics,
                ),
                push=push,
                late=LateReplies(
                    pusher, lambda _: "" if late_ms and can_push_late else "no account"
                ),
                private=private_channel(made.private, token),
                growing=cards.growing(card_client, redis, queue) if cards else None,
            )
            made.find_robot = lambda code: robot if known in (None, code) else None
            made.answerer = Answerer(
                ledger=made.ledger,
                find_robot=made.find_robot,
                webhook=WebhookChannel(made.chat, origins=ORIGINS),
                admission=admission,
                notice_after_s=notice_after_s,
                new_notes=new_notes,
                tracing=tracing,
                metrics=metrics,
            )
            yield made
    counts = await made.counts()
    assert counts.accepted + counts.revived == counts.ended + counts.open
    assert counts.open >= 0
    await redis.aclose()
