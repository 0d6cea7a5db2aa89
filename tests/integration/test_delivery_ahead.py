"""Connections that are opened while a skill works, and TLS sessions that are resumed."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop

from dingda.shared.runtime.egress import DIRECT, Egress
from dingda.simulator.testing.processes import free_port
from dingda.worker.delivery import accept_queue, ready, tls
from dingda.worker.delivery.outcome import Delivered, DeliveryOutcome, FailureKind, Retry, Unknown
from dingda.worker.delivery.ready import MOST_READY
from dingda.worker.delivery.transport import ReplyTransport
from dingda.worker.delivery.webhook import WebhookChannel
from tests.integration.test_delivery_proxy import Tunnels
from tests.integration.test_delivery_sockets import (
    BODY,
    LONG_S,
    Claims,
    Peer,
    listening,
    replying_to,
    reset,
    response,
    self_signed,
    silence,
)

LATENCY_S = 0.01


class Line:
    """A line to a server that takes 20 ms there and back, and notes who spoke when."""

    def __init__(self, far_port: int) -> None:
        self.spoke: list[str] = []
        """`>` for each time that the client spoke after the server had, `<` the other way round."""
        self.port = 0
        self._far_port = far_port
        self._passing: set[asyncio.Task[None]] = set()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far_port)
        await asyncio.gather(
            self._pass(reader, far_writer, ">"), self._pass(far_reader, writer, "<")
        )

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str
    ) -> None:
        try:
            while chunk := await reader.read(65536):
                if self.spoke[-1:] != [direction]:
                    self.spoke.append(direction)
                await asyncio.sleep(LATENCY_S)
                writer.write(chunk)
        except ConnectionError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def a_line_to(peer: Peer) -> AsyncIterator[Line]:
    line = Line(peer.port)
    server = await asyncio.start_server(line.meet, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    yield line
    server.close()


class Worker:
    """The worker's way to one server."""

    def __init__(self, transport: ReplyTransport, port: int, scheme: str) -> None:
        origin = f"{scheme}://127.0.0.1:{port}"
        self.transport = transport
        self._channel = WebhookChannel(transport, origins=(origin,))
        self._message = replying_to(f"{origin}/robot/send?session=1")

    async def send(self, claim: Callable[[], Awaitable[None]] | None = None) -> DeliveryOutcome:
        async with asyncio.timeout(LONG_S):
            return await self._channel.send(
                self._message, BODY, before_send=claim or Claims(), timeout_s=LONG_S
            )

    @asynccontextmanager
    async def expecting(self) -> AsyncIterator[None]:
        with self._channel.expect(self._message):
            yield


@asynccontextmanager
async def a_worker(
    folder: Path | None = None, *, port: int, egress: Egress = DIRECT
) -> AsyncIterator[Worker]:
    """A worker that trusts the certificate in a folder; without one it speaks plain HTTP."""
    context = ssl.create_default_context(cafile=folder / "certificate.pem" if folder else None)
    async with ReplyTransport(egress, context) as transport:
        yield Worker(transport, port, "https" if folder else "http")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG_S):
        while not holds():  # noqa: ASYNC110 - of what a peer does nobody tells
            await asyncio.sleep(0.005)


async def test_once_the_connection_is_open_a_reply_over_tls_costs_one_round_trip(
    tmp_path: Path,
) -> None:
    async with (
        listening(self_signed(tmp_path)) as peer,
        a_line_to(peer) as line,
        a_worker(tmp_path, port=line.port) as worker,
    ):
        async with worker.expecting():
            # The skill works until both sides' flights and the session tickets have gone by.
            await until(lambda: line.spoke == [">", "<", ">", "<"])
        line.spoke.clear()
        assert await worker.send() == Delivered()
        assert line.spoke[:2] == [">", "<"]
        # All that may follow is each side's close_notify.
        assert len(line.spoke) <= 4
        assert len(peer.connections) == 1


async def test_without_a_connection_opened_ahead_a_reply_costs_the_handshakes_as_well(
    tmp_path: Path,
) -> None:
    async with (
        listening(self_signed(tmp_path)) as peer,
        a_line_to(peer) as line,
        a_worker(tmp_path, port=line.port) as worker,
    ):
        assert await worker.send() == Delivered()
        assert "".join(line.spoke).count("><") >= 2


async def test_a_skill_that_ends_before_its_connection_is_open_waits_for_that_one() -> None:
    async with listening() as peer, a_worker(port=peer.port) as worker:
        for _ in range(5):
            async with worker.expecting():
                pass
            assert await worker.send() == Delivered()
        assert len(peer.connections) == 5


async def test_each_reply_still_has_a_connection_of_its_own() -> None:
    async with listening() as peer, a_worker(port=peer.port) as worker:
        async with worker.expecting():
            await until(lambda: len(peer.connections) == 1)
            for _ in range(3):
                assert await worker.send() == Delivered()
        assert [request.count(BODY) for request in peer.requests] == [1, 1, 1]


async def test_however_many_replies_are_expected_few_connections_are_held() -> None:
    async with listening() as peer, a_worker(port=peer.port) as worker:

        async def work() -> DeliveryOutcome:
            async with worker.expecting():
                await asyncio.sleep(0.2)
            return await worker.send()

        working = asyncio.gather(*(work() for _ in range(100)))
        await asyncio.sleep(0.1)
        held = len(peer.connections)
        assert set(await working) == {Delivered()}
        assert held <= MOST_READY
        assert len(peer.requests) == 100
        assert len(peer.connections) <= 100 + MOST_READY


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    async with listening() as peer, a_worker(port=peer.port) as worker:
        async with worker.expecting():
            await until(lambda: bool(peer.writers))
            peer.writers[0].close()
            await peer.hung_up.wait()
            await asyncio.sleep(0.05)
        claims = Claims()
        assert await worker.send(claims) == Delivered()
        assert claims.count == 1
        assert len(peer.connections) == 2
        assert [request.count(BODY) for request in peer.requests] == [1]


@pytest.mark.parametrize("is_tls", [False, True])
async def test_a_connection_that_ends_between_the_claim_and_the_first_byte_was_sent_nothing(
    tmp_path: Path, *, is_tls: bool
) -> None:
    folder = tmp_path if is_tls else None
    async with (
        listening(self_signed(tmp_path) if is_tls else None) as peer,
        a_worker(folder, port=peer.port) as worker,
    ):

        async def claim() -> None:
            await until(lambda: bool(peer.writers))
            peer.writers[0].close()
            await asyncio.sleep(0.05)

        outcome = await worker.send(claim)
        assert outcome == Retry(FailureKind.CONNECTION, "not sent: the connection was closed first")
        assert peer.requests == []


async def test_one_that_ends_after_the_first_byte_is_unknown_though_it_was_opened_ahead() -> None:
    async with listening() as peer, a_worker(port=peer.port) as worker:
        peer.answer = reset
        async with worker.expecting():
            await until(lambda: len(peer.connections) == 1)
        assert isinstance(await worker.send(), Unknown)
        assert len(peer.connections) == 1


async def test_a_server_that_closes_right_after_its_response_has_answered(tmp_path: Path) -> None:
    async def answer_and_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.write(writer, response())
        writer.close()

    async with (
        listening(self_signed(tmp_path)) as peer,
        a_worker(tmp_path, port=peer.port) as worker,
    ):
        peer.answer = answer_and_close
        outcomes = await asyncio.gather(*(worker.send() for _ in range(50)))
        assert set(outcomes) == {Delivered()}


async def test_an_old_connection_is_replaced_as_long_as_a_reply_is_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ready, "READY_S", 0.05)
    async with listening() as peer, a_worker(port=peer.port) as worker:
        async with worker.expecting():
            await until(lambda: len(peer.connections) >= 3)
        await until(lambda: peer.count_open() == 0)
        opened = len(peer.connections)
        await asyncio.sleep(0.2)
        assert len(peer.connections) == opened
        assert peer.requests == []


async def test_a_connection_that_broke_while_it_was_kept_is_replaced_without_a_word(
    tmp_path: Path,
) -> None:
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ready, "READY_S", 0.2)
        async with (
            listening(self_signed(tmp_path)) as peer,
            a_worker(tmp_path, port=peer.port) as worker,
            worker.expecting(),
        ):
            await until(lambda: len(peer.writers) == 1)
            peer.writers[0].transport.abort()
            await until(lambda: len(peer.writers) == 2)
    assert failures == []


async def test_where_nothing_can_be_opened_ahead_the_delivery_finds_out_why() -> None:
    async with a_worker(port=free_port()) as worker:
        async with worker.expecting():
            await asyncio.sleep(0.05)
        claims = Claims()
        assert await worker.send(claims) == Retry(
            FailureKind.CONNECTION, "not connected: ConnectionRefusedError"
        )
        assert claims.count == 0


async def test_a_server_that_is_back_is_reached_though_nothing_could_be_opened_ahead() -> None:
    port = free_port()
    async with a_worker(port=port) as worker, worker.expecting():
        await asyncio.sleep(0.05)
        async with listening(port=port) as peer:
            assert await worker.send() == Delivered()
            assert len(peer.requests) == 1


async def test_a_delivery_that_is_cancelled_leaves_no_connection_behind() -> None:
    async with listening() as peer, a_worker(port=peer.port) as worker:
        for turns in range(8):  # it is cancelled in each step that leads to the connection
            async with worker.expecting():
                pass
            sending = asyncio.create_task(worker.send(lambda: asyncio.sleep(LONG_S)))
            for _ in range(turns):
                await asyncio.sleep(0)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
        await asyncio.sleep(0.1)
        # What was opened ahead and not taken stays for the next; the rest is closed.
        held = [stream for _, each in worker.transport._origins.values() for stream in each._ready]
        assert peer.count_open() == len(held)
        assert peer.requests == []


async def test_a_skill_that_cancels_every_task_does_not_cancel_a_delivery() -> None:
    async with listening() as peer, a_worker(port=peer.port) as worker:
        before = asyncio.all_tasks()
        async with worker.expecting():
            await asyncio.sleep(0)
            sending = asyncio.create_task(worker.send())
            await asyncio.sleep(0)
            for task in asyncio.all_tasks() - before - {sending}:
                task.cancel()
        assert isinstance(await sending, Delivered | Retry)
        assert await worker.send() == Delivered()


async def test_a_worker_that_stops_closes_what_it_opened_ahead(tmp_path: Path) -> None:
    async with listening(self_signed(tmp_path)) as peer:
        async with a_worker(tmp_path, port=peer.port) as worker, worker.expecting():
            await until(lambda: peer.count_open() == 1)
        await until(lambda: peer.count_open() == 0)
        assert len(peer.connections) == 1


@pytest.mark.parametrize(("scheme", "places"), [("http", 16), ("https", 64)])
async def test_only_so_many_connections_wait_to_be_accepted(
    monkeypatch: pytest.MonkeyPatch, scheme: str, places: int
) -> None:
    """Many at once overflow an accept queue; a reply claimed for one that is lost is unknown."""
    monkeypatch.setattr(accept_queue, "_QUIET_S", LONG_S)
    context = ssl.create_default_context()
    async with listening() as peer, ReplyTransport(DIRECT, context) as transport:
        peer.answer = silence
        worker = Worker(transport, peer.port, scheme)
        sending = asyncio.gather(*(worker.send() for _ in range(100)))
        await until(lambda: len(peer.connections) >= places)
        await asyncio.sleep(0.1)
        assert len(peer.connections) == places
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_a_tunnel_through_the_proxy_is_opened_ahead_as_well(tmp_path: Path) -> None:
    tunnels = Tunnels()
    proxy = await asyncio.start_server(tunnels.meet, "127.0.0.1", 0)
    tunnels.port = proxy.sockets[0].getsockname()[1]
    async with (
        listening(self_signed(tmp_path)) as peer,
        a_worker(tmp_path, port=peer.port, egress=Egress(tunnels.url)) as worker,
    ):
        async with worker.expecting():
            await peer.connected.wait()
        assert await worker.send() == Delivered()
        assert len(tunnels.asked) == len(peer.connections) == 1
    proxy.close()


async def test_a_server_that_made_the_handshake_has_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept_queue, "_QUIET_S", 10 * LONG_S)

    async def together(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await until(lambda: len(peer.requests) == 100)
        await peer.write(writer, response())

    async with (
        listening(self_signed(tmp_path)) as peer,
        a_worker(tmp_path, port=peer.port) as worker,
    ):
        peer.answer = together
        outcomes = await asyncio.gather(*(worker.send() for _ in range(100)))
    assert set(outcomes) == {Delivered()}


async def test_a_connection_that_is_refused_waits_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accept_queue, "_QUIET_S", 10 * LONG_S)
    async with a_worker(port=free_port()) as worker:
        outcomes = await asyncio.gather(*(worker.send() for _ in range(100)))
    refused = Retry(FailureKind.CONNECTION, "not connected: ConnectionRefusedError")
    assert set(outcomes) == {refused}


async def test_a_server_that_answers_slowly_still_gets_many_requests_at_once() -> None:
    async def slowly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await until(lambda: len(peer.requests) == 100)
        await peer.write(writer, response())

    async with listening() as peer, a_worker(port=peer.port) as worker:
        peer.answer = slowly
        outcomes = await asyncio.gather(*(worker.send() for _ in range(100)))
        assert set(outcomes) == {Delivered()}


# TLS sessions -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_next_connection_resumes_the_session(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    context = self_signed(tmp_path)
    context.maximum_version = version
    async with listening(context) as peer, a_worker(tmp_path, port=peer.port) as worker:
        for _ in range(3):
            assert await worker.send() == Delivered()
        assert peer.resumed == [False, True, True]
        async with worker.expecting():
            await until(lambda: len(peer.connections) == 4)
        assert await worker.send() == Delivered()
        assert peer.resumed == [False, True, True, True]


async def test_after_ten_minutes_the_certificate_is_checked_again_though_the_session_was_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_s = 0.0
    monkeypatch.setattr(tls, "_now_s", lambda: clock_s)
    async with listening(self_signed(tmp_path)) as peer:
        async with a_worker(tmp_path, port=peer.port) as worker:
            for clock_s in (0, 300, 599, 601, 1200):  # noqa: B007 - the lambda reads it
                assert await worker.send() == Delivered()
        assert peer.resumed == [False, True, True, False, True]


async def test_a_server_that_forgot_the_session_is_answered_to_all_the_same(
    tmp_path: Path,
) -> None:
    context, port = self_signed(tmp_path), free_port()
    async with a_worker(tmp_path, port=port) as worker:
        async with listening(context, port=port) as peer:
            assert await worker.send() == Delivered()
        again = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        again.load_cert_chain(tmp_path / "server.pem")
        async with listening(again, port=port) as peer:
            assert [await worker.send() for _ in range(2)] == [Delivered()] * 2
            assert peer.resumed == [False, True]


async def test_a_session_proves_nothing_to_an_impostor(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "impostor").mkdir()
    context, impostors = self_signed(tmp_path), self_signed(tmp_path / "impostor")
    async with a_worker(tmp_path, port=port) as worker:
        async with listening(context, port=port):
            assert await worker.send() == Delivered()
        async with listening(impostors, port=port) as impostor:
            claims = Claims()
            assert await worker.send(claims) == Retry(
                FailureKind.CERTIFICATE, "tls: invalid certificate"
            )
            assert (claims.count, impostor.requests) == (0, [])
        async with listening(context, port=port) as peer:
            assert await worker.send() == Delivered()
            assert peer.resumed == [False]  # what failed once is not offered again


async def test_a_session_at_which_a_server_breaks_off_is_not_offered_again(tmp_path: Path) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    context, port = self_signed(tmp_path), free_port()
    async with a_worker(tmp_path, port=port) as worker:
        async with listening(context, port=port):
            assert await worker.send() == Delivered()
        server = await asyncio.start_server(break_off, "127.0.0.1", port)
        assert isinstance(await worker.send(), Retry)
        server.close()
        async with listening(context, port=port) as peer:
            assert await worker.send() == Delivered()
            assert peer.resumed == [False]


@pytest.mark.parametrize(
    "scenario",
    [
        test_once_the_connection_is_open_a_reply_over_tls_costs_one_round_trip,
        partial(
            test_a_connection_that_ends_between_the_claim_and_the_first_byte_was_sent_nothing,
            is_tls=True,
        ),
        partial(test_the_next_connection_resumes_the_session, version=ssl.TLSVersion.TLSv1_2),
        test_a_session_proves_nothing_to_an_impostor,
        test_a_server_that_closes_right_after_its_response_has_answered,
        test_a_connection_that_broke_while_it_was_kept_is_replaced_without_a_word,
    ],
)
def test_it_is_the_same_on_the_loop_that_workers_run_on(
    tmp_path: Path, scenario: Callable[..., Coroutine[Any, Any, None]]
) -> None:
    uvloop.run(scenario(tmp_path))
