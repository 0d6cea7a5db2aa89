"""Speaking to the bot from a terminal, through a running simulator."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.client.drawing import draw_end, draw_news, draw_progress, only_refused
from dingda.simulator.client.following import Following
from dingda.simulator.dingtalk.exchange import Exchange
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import RequestRejectedError

SUCCESS, FAILURE = 0, 1
_ENDINGS = ("/quit", "/exit")
_ERASE_LINE = "\r\x1b[K"


async def say(
    client: SimulatorClient, message: UserMessage | bytes, *, wait_s: float | None, as_json: bool
) -> int:
    """Send one message, and print what comes of it as it comes.

    Args:
        client: speaks to the simulator.
        message: the message, or a callback's body.
        wait_s: how long to wait at the most, in seconds; None until the message has ended, its
            session is over or no worker is alive.
        as_json: whether to print the record instead in the end, as one JSON object.

    Returns:
        The exit status: 0 if the gateway took the message, DingTalk whatever replied to it, and
        there was a worker to answer it.
    """
    send = client.send_callback(message) if isinstance(message, bytes) else client.send(message)
    record = await send
    line = _ProgressLine()
    following = Following(
        client,
        record,
        wait_s=wait_s,
        progress=lambda *told: line.show(draw_progress(*told)),
    )
    printer = _Printer(line, prints=not as_json)
    exchange = Exchange(0, record)
    async for exchange in following.exchanges():
        printer.show(exchange)
    printer.show(exchange, complete=True)
    if as_json:
        print(exchange.record.to_json().decode())
    elif end := draw_end(exchange, following.workers, wait_s=wait_s):
        print(end)
    is_well = exchange.record.acknowledged and not only_refused(exchange.record)
    return SUCCESS if is_well and not following.found_no_worker else FAILURE


def chat(
    open_client: Callable[[], SimulatorClient], template: UserMessage, *, wait_s: float | None
) -> int:
    """Hold a conversation on standard input and output, until an empty line or the input's end.

    In a terminal `/quit` and `/exit` end it as well.

    Args:
        open_client: makes a client; one a message, because each has an event loop of its own.
        template: the messages' sender and conversation; its text does not matter.
        wait_s: how long to wait for each reply at the most, as `say` takes it.

    Returns:
        The exit status: 1 if any message failed.
    """
    statuses = [SUCCESS]
    # Lines are read outside the loop: a thread that waits for input could not be interrupted.
    try:
        for line in _lines(f"{template.sender}> "):
            message = replace(template, text=line)
            statuses.append(asyncio.run(_exchange(open_client, message, wait_s)))
    except KeyboardInterrupt:
        print()
    return max(statuses)


class _Printer:
    """Prints each part of an exchange once.

    Args:
        line: makes way for it.
        prints: whether it prints at all.
    """

    def __init__(self, line: "_ProgressLine", *, prints: bool) -> None:
        self._line = line
        self._prints = prints
        self._shown: set[str] = set()

    def show(self, exchange: Exchange, *, complete: bool = False) -> None:
        """Print what is new, and in the end what was still growing."""
        for key, drawn in draw_news(exchange, complete=complete):
            if key not in self._shown:
                self._shown.add(key)
                self._line.erase()
                if self._prints:
                    print(drawn, flush=True)
        if complete:
            self._line.erase()


class _ProgressLine:
    """The last line of a terminal, which says what is waited for; nothing where there is none."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty() and sys.stderr.isatty()
        self._is_shown = False

    def show(self, text: str) -> None:
        if self._is_terminal:
            print(f"{_ERASE_LINE}{text}", end="", file=sys.stderr, flush=True)
            self._is_shown = True

    def erase(self) -> None:
        if self._is_shown:
            print(_ERASE_LINE, end="", file=sys.stderr, flush=True)
            self._is_shown = False


async def _exchange(
    open_client: Callable[[], SimulatorClient], message: UserMessage, wait_s: float | None
) -> int:
    async with open_client() as client:
        try:
            return await say(client, message, wait_s=wait_s, as_json=False)
        except RequestRejectedError as error:
            print(error)
            return FAILURE


def _lines(prompt: str) -> Iterator[str]:
    interactive = sys.stdin.isatty()
    if interactive:
        print("Type what to say to the bot. An empty line or /quit ends it.")
    while line := _line(prompt if interactive else ""):
        if interactive and line in _ENDINGS:
            return
        if not interactive:
            print(f"{prompt}{line}")
        yield line
        print()


def _line(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError:
        return ""
