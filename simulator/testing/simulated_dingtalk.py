"""The simulated DingTalk of tests, which may be `async` or not."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from anyio.from_thread import BlockingPortal, start_blocking_portal

from dingda.shared.ledger.states import MessageState
from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.simulator.dingtalk.card import Card, Press
from dingda.simulator.dingtalk.faults import NO_FAULTS, CallbackFault, FaultSettings, ReplyFault
from dingda.simulator.dingtalk.members import Member, Organisation
from dingda.simulator.dingtalk.openapi_faults import (
    NO_OPENAPI_FAULTS,
    OpenAPIFault,
    OpenAPIFaults,
)
from dingda.simulator.dingtalk.openapi_usage import OpenAPIState
from dingda.simulator.dingtalk.record import Record, is_sent_to
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import StackError
from dingda.simulator.testing.replaying import replay
from dingda.simulator.testing.simulated_stream import SimulatedStream
from dingda.simulator.testing.stack import RunningStack

T = TypeVar("T")

WAIT_S = 20.0
"""How long to wait for a reply, unless a test says otherwise."""
_LOOK_EVERY_S = 0.05


class SimulatedDingTalk:
    """A DingTalk to speak to the bot through, from a test that may be `async` or not.

    Args:
        client: of a simulator that runs.
        portal: to the event loop of the client, which is in a thread of its own.
        stack: what runs behind it, where the test has started it.

    In a test, `dingtalk` is the fixture of this name:

    >>> record = dingtalk.ask("咖啡", sender="李四")
    >>> record.shown[0].notified == (staff_id_of("李四"),)
    True
    """

    def __init__(
        self, client: SimulatorClient, portal: BlockingPortal, stack: RunningStack | None = None
    ) -> None:
        self._client = client
        self._portal = portal
        self._stack = stack
        self.stream = SimulatedStream(client, portal)

    @classmethod
    @contextmanager
    def at(cls, url: str, stack: RunningStack | None = None) -> Iterator[Self]:
        """Connect to a simulator that runs at a URL, for a `with` block."""
        with (
            start_blocking_portal() as portal,
            portal.wrap_async_context_manager(SimulatorClient(url)) as client,
        ):
            yield cls(client, portal, stack)

    @classmethod
    def of(cls, stack: RunningStack) -> AbstractContextManager[Self]:
        """Connect to the simulator of a stack, whose worker can be killed."""
        return cls.at(stack.url, stack)

    @property
    def host(self) -> str:
        """Where it is, as a host with a port: fakes of backends have it in what they say."""
        return urlsplit(self._client.url).netloc

    def ask(self, text: str, *, wait_s: float = WAIT_S, **fields: Any) -> Record:
        """Send a message to the bot, and wait until it has replied or is known not to.

        Args:
            text: without the mention.
            wait_s: how long to wait, in seconds.
            fields: the sender, the conversation and more; see `UserMessage`.

        Returns:
            What became of it: `.shown` are the replies that the chat shows.
        """
        return self._wait(self.say(UserMessage(text, **fields)), wait_s)

    def ask_raw(
        self, callback: Mapping[str, Any] | bytes, *, verbatim: bool = False, wait_s: float = WAIT_S
    ) -> Record:
        """Send any body as DingTalk would, and wait as `ask` does.

        Args:
            callback: of a JSON object msgId, createAt, sessionWebhook and sessionWebhookExpiredTime
                are made fresh, so that the reply shows in the record.
            verbatim: whether it is sent byte for byte instead.
            wait_s: how long to wait, in seconds.
        """
        send = partial(self._client.send_callback, callback, verbatim=verbatim)
        return self._wait(self._portal.call(send), wait_s)

    def say(self, message: UserMessage) -> Record:
        """Send a message, and wait for the acknowledgement only."""
        return self._portal.call(self._client.send, message)

    def say_many(self, message: UserMessage, count: int) -> list[Record]:
        """Send the same message many times at once.

        Returns:
            The records, once the bot has acknowledged each, or has not in time.
        """
        return self._portal.call(self._client.send_burst, message, count)

    def _wait(self, record: Record, wait_s: float) -> Record:
        return record if record.over else self.look(record, wait_s=wait_s)

    def look(self, record: Record, *, wait_s: float = 0.0) -> Record:
        """What has become of a message by now, or within `wait_s` seconds."""
        return self._portal.call(partial(self._client.record, record.msg_id, wait_s=wait_s))

    def records(self) -> list[Record]:
        """What became of every message so far, the oldest first."""
        return self._portal.call(self._client.records)

    def kill_worker(self, *, during: Record | None = None) -> None:
        """Kill the worker as `kill -9` does; another is started, and takes up what it held.

        Args:
            during: a message that it is to have begun with by then.

        Raises:
            StackError: if the bot was not started by the fixture `dingtalk`.
            TimeoutError: if no worker begins with the message in time.
        """
        if self._stack is None:
            raise StackError("only the fixture `dingtalk` has a worker of its own to kill")
        if during:
            self.wait_until(lambda: _is_begun(self.look(during)))
        self._stack.kill_worker()

    def clock_at(self, now: datetime) -> AbstractContextManager[None]:
        """Let the skills' clock stand still in a `with` block.

        It is what `ctx.now` says, and what the simulated weather counts from; what skills have in
        their cache is forgotten. All else, such as how long a question is open, goes on.

        Args:
            now: with its time zone.

        Raises:
            StackError: if the bot was not started by the fixture `dingtalk`.
            ValueError: if the time has no time zone.
        """
        if self._stack is None:
            raise StackError("only the fixture `dingtalk` has a bot whose clock can be set")
        return self._stack.clock_at(now)

    def replay(
        self, path: Path | str, *, ignore: Sequence[str] = (), wait_s: float = WAIT_S
    ) -> list[Record]:
        r"""Say what is in a transcript again, in order, and see that the chat shows the same.

        Args:
            path: the transcript, as the page saves it.
            ignore: regular expressions; what they match in a reply may be different each time, such
                as `\d\d:\d\d` for an hour, and `@lAL[\w-]+` for a picture that is uploaded.
            wait_s: how long to wait for each reply, in seconds.

        Returns:
            The records of its messages. Each was said when `clock_at` let it be the time of the
            transcript, where the fixture `dingtalk` has started the bot.

        Raises:
            AssertionError: if anything is shown otherwise; it tells what, message by message.
        """
        clock_at = self.clock_at if self._stack else None
        return replay(self, Path(path), ignore=ignore, wait_s=wait_s, clock_at=clock_at)

    def redeliver(self, record: Record) -> Record:
        """Send the same callback again, as DingTalk does."""
        return self._portal.call(self._client.redeliver, record.msg_id)

    def expire(self, record: Record) -> Record:
        """Close a message's session now."""
        return self._portal.call(self._client.expire, record.msg_id)

    @property
    def pushed(self) -> list[Record]:
        """What the bot sent first: messages and cards, the oldest first."""
        return [record for record in self.records() if not record.prompted]

    def pushed_after(
        self,
        record: Record,
        *,
        to: str = "",
        group: str | None = None,
        count: int = 0,
        wait_s: float = WAIT_S,
    ) -> list[Record]:
        """What the bot has sent first since a message came: pushes, cards, private answers.

        Args:
            record: the message's.
            to: a person's name, for what came into their single chat alone.
            group: a group's name, for what came there alone; "": the group that is always there.
            count: how many to wait for. A private answer is there once `ask` returns.
            wait_s: how long to wait, in seconds.

        Raises:
            TimeoutError: if fewer came in time.
        """

        def found() -> list[Record]:
            return [
                each
                for each in self.pushed
                if each.sent_at_ms >= record.sent_at_ms and is_sent_to(each, to, group)
            ]

        if count:
            self.wait_until(lambda: len(found()) >= count, wait_s=wait_s)
        return found()

    @property
    def cards(self) -> list[Card]:
        """Every card so far, the oldest first."""
        return self._portal.call(self._client.cards)

    def card(self, out_track_id: str) -> Card:
        """A card as it is now."""
        return self._portal.call(self._client.card, out_track_id)

    def press(
        self,
        card: Card,
        button: str,
        *,
        by: str = "张三",
        params: Mapping[str, Any] | None = None,
    ) -> Press:
        """Press a card's button, and wait for the answer as long as a client does.

        Args:
            card: which one.
            button: the text or the action of a button that the presser sees.
            by: the presser's name.
            params: what the press sends, whatever is drawn; None for what the button carries.
        """
        staff_id = staff_id_of(by)
        seen = self.card(card.out_track_id).seen_by(staff_id).button(button)
        press = partial(
            self._client.press,
            card.out_track_id,
            staff_id=staff_id,
            action_id=seen.action_id if seen else button,
            params=params,
        )
        return self._portal.call(press)

    def give_file(self, name: str, content: bytes) -> str:
        """Give a file for a user's message to hold; returns its id.

        >>> file = dingtalk.give_file("plan.pdf", b"%PDF-1.7")
        >>> UserMessage("plan.pdf", kind="file", single=True, file=file).kind
        'file'
        """
        return self._portal.call(self._client.give_file, name, content)

    def media(self, media_id: str) -> bytes:
        """A file that the bot uploaded."""
        return self._portal.call(self._client.media, media_id)

    def wait_until(self, happened: Callable[[], T | None], *, wait_s: float = WAIT_S) -> T:
        """Look until something is there, such as a card or a push, and return it.

        Args:
            happened: looks; None, or anything that is false, for not yet.
            wait_s: how long to look, in seconds.

        Raises:
            TimeoutError: if it is not there in time.

        >>> dingtalk.wait_until(lambda: dingtalk.records() or None) is not None
        True
        """
        until_s = time.monotonic() + wait_s
        while not (found := happened()):
            if time.monotonic() >= until_s:
                raise TimeoutError(f"not within {wait_s:g} s")
            time.sleep(_LOOK_EVERY_S)
        return found

    @contextmanager
    def organisation(self, *members: Member) -> Iterator[None]:
        """Add people to the organisation in a `with` block."""
        before = self._portal.call(self._client.organisation)
        chosen = Organisation((*before.members, *members))
        with self._set_to(chosen, before, self._client.set_organisation):
            yield

    @property
    def openapi(self) -> OpenAPIState:
        """The calls of the OpenAPI so far, and what is left of the quotas."""
        return self._portal.call(self._client.openapi_state)

    def openapi_faults(
        self, fault: OpenAPIFault, *, apis: tuple[str, ...] = (), count: int | None = None
    ) -> AbstractContextManager[None]:
        """Inject a fault into the OpenAPI in a `with` block; see `OpenAPIFaults`."""
        faults = OpenAPIFaults(fault, apis, count)
        return self._set_to(faults, NO_OPENAPI_FAULTS, self._client.set_openapi_faults)

    def faults(
        self,
        *,
        callbacks: CallbackFault | None = None,
        replies: ReplyFault | None = None,
    ) -> AbstractContextManager[None]:
        """Inject faults in a `with` block."""
        faults = FaultSettings(callbacks, replies)
        return self._set_to(faults, NO_FAULTS, self._client.set_faults)

    @contextmanager
    def _set_to(
        self, value: T, after: T, set_value: Callable[[T], Awaitable[None]]
    ) -> Iterator[None]:
        """Set something in a `with` block, and set it to something else after that."""
        self._portal.call(set_value, value)
        try:
            yield
        finally:
            self._portal.call(set_value, after)


def _is_begun(record: Record) -> bool:
    """Whether a worker has it, and its reply is not on its way."""
    return record.story is not None and record.story.state == MessageState.LEASED
