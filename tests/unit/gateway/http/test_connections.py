"""Whose connection is closed, and when, by a clock that the test turns."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from dingda.gateway.http.connections import (
    KEEP_ALIVE_S,
    STAGE_S,
    BoundedProtocol,
    Connections,
    ResponseWriter,
)

Enter = Callable[[Connections, BoundedProtocol], None]
STAGES: dict[str, Enter] = {
    "receiving": Connections.receive,
    "responding": Connections.respond,
}


class Line:
    """A connection, and whether it has been closed."""

    def __init__(self, loop: "Timers") -> None:
        self.loop = loop
        self.transport = self
        self.is_closed = False

    def abort(self) -> None:
        self.is_closed = True


class Timers:
    """An event loop's timers, and a clock."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._due: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def call_later(self, delay_s: float, call: Callable[..., None], *arguments: Any) -> None:
        self._due.append((self.now_s + delay_s, call, arguments))

    def let_pass(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while due := sorted((each for each in self._due if each[0] <= until_s), key=lambda e: e[0]):
            self._due.remove(due[0])
            self.now_s, call, arguments = due[0]
            call(*arguments)
        self.now_s = until_s


@pytest.fixture
def timers() -> Timers:
    return Timers()


@pytest.fixture
def connections(timers: Timers) -> Connections:
    return Connections(3, clock=lambda: timers.now_s)


@pytest.fixture
def new(timers: Timers, connections: Connections) -> Callable[[], BoundedProtocol]:
    def connect() -> BoundedProtocol:
        line = cast("BoundedProtocol", Line(timers))
        connections.admit(line)
        return line

    return connect


def is_closed(line: BoundedProtocol) -> bool:
    return cast("Line", line).is_closed


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_takes_too_long_ends_the_connection(
    timers: Timers, connections: Connections, new: Callable[[], BoundedProtocol], stage: str
) -> None:
    line = new()
    STAGES[stage](connections, line)
    timers.let_pass(STAGE_S - 1)
    assert not is_closed(line)
    timers.let_pass(2)
    assert is_closed(line)


def test_progress_gives_a_connection_new_time(
    timers: Timers, connections: Connections, new: Callable[[], BoundedProtocol]
) -> None:
    line = new()
    for enter in (Connections.respond, Connections.rest, Connections.receive) * 3:
        timers.let_pass(STAGE_S - 1)
        enter(connections, line)
    assert not is_closed(line)


def test_an_idle_connection_is_left_to_its_own_time_and_watched_again_afterwards(
    timers: Timers, connections: Connections, new: Callable[[], BoundedProtocol]
) -> None:
    line = new()
    connections.rest(line)
    timers.let_pass(KEEP_ALIVE_S)
    assert not is_closed(line)
    connections.respond(line)
    timers.let_pass(STAGE_S + 1)
    assert is_closed(line)


def test_the_connection_that_receives_longest_makes_room(
    connections: Connections, new: Callable[[], BoundedProtocol]
) -> None:
    idle, first, second, third = new(), new(), new(), None
    connections.rest(idle)
    third = new()
    assert [is_closed(line) for line in (idle, first, second, third)] == [False, True, False, False]


def test_the_connection_that_idles_longest_makes_room_if_no_other_receives(
    connections: Connections, new: Callable[[], BoundedProtocol]
) -> None:
    lines = [new(), new(), new()]
    connections.rest(lines[1])
    connections.rest(lines[0])
    connections.respond(lines[2])
    lines.append(new())
    assert [is_closed(line) for line in lines] == [False, True, False, False]


def test_a_connection_that_responds_never_makes_room(
    connections: Connections, new: Callable[[], BoundedProtocol]
) -> None:
    lines = [new(), new(), new()]
    for line in lines:
        connections.respond(line)
    lines.append(new())
    assert [is_closed(line) for line in lines] == [False, False, False, True]


def test_a_connection_that_is_gone_leaves_its_place(
    timers: Timers, connections: Connections, new: Callable[[], BoundedProtocol]
) -> None:
    lines = [new(), new(), new()]
    connections.forget(lines[0])
    lines.append(new())
    timers.let_pass(STAGE_S + 1)
    assert [is_closed(line) for line in lines] == [False, True, True, True]


def test_proxies_keep_idle_connections_for_a_minute_and_we_for_longer() -> None:
    assert KEEP_ALIVE_S > 60


def test_the_limit_is_logged_once_a_minute(
    timers: Timers, new: Callable[[], BoundedProtocol], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        new()
    assert len(caplog.records) == 1
    timers.let_pass(61)
    for _ in range(20):
        new()
    assert len(caplog.records) == 2


class Written:
    """A transport, and what has been written to it."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.packets.append(data)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def writer(written: Written) -> ResponseWriter:
    return ResponseWriter(cast("Any", written))


def test_a_responses_head_goes_with_the_first_of_its_body(
    written: Written, writer: ResponseWriter
) -> None:
    for part in (b"head", b"body", b"more"):
        writer.write(part)
    assert written.packets == [b"headbody", b"more"]


def test_a_head_without_a_body_goes_when_the_response_ends(
    written: Written, writer: ResponseWriter
) -> None:
    writer.write(b"head")
    writer.flush()
    assert written.packets == [b"head"]


def test_a_head_goes_before_its_connection_is_closed(
    written: Written, writer: ResponseWriter
) -> None:
    writer.write(b"head")
    writer.close()
    assert (written.packets, written.is_closed) == ([b"head"], True)


def test_a_client_that_waits_to_send_its_body_hears_at_once(
    written: Written, writer: ResponseWriter
) -> None:
    go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
    for part in (go_on, b"head", b"body"):
        writer.write(part)
    assert written.packets == [go_on, b"headbody"]
