"""A question over Stream mode, from the simulator to the reply, on real processes."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import pytest

from dingda.simulator.errors import RequestRejectedError
from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from dingda.simulator.testing.stream_simulator import a_stream_simulator
from tests.support.processes import Process, process, valkey, wait_until, worker

QUICK = {
    "DINGDA_SIMULATOR_STREAM_PING_S": "1",
    "DINGDA_SIMULATOR_STREAM_REDELIVER_S": "0.5",
    "DINGDA_SIMULATOR_STREAM_CUT_S": "2",
}


@dataclass(frozen=True)
class Stack:
    """The simulator, a Stream process and a worker."""

    dingtalk: SimulatedDingTalk
    stream: Process

    def asked(self, text: str = "text") -> int:
        """Say something; returns how many replies the chat shows."""
        return len(self.dingtalk.ask(text).shown)

    def is_connected(self) -> bool:
        """Whether DingTalk has a connection to deliver to."""
        return any(each.state == "open" for each in self.dingtalk.stream.state.connections)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stream")
    with ExitStack() as parts:
        redis = parts.enter_context(valkey(folder / "valkey"))
        simulator = parts.enter_context(a_stream_simulator(folder, QUICK))
        settings = simulator.settings | {"DINGDA_SKILLS": "dingda.worker.skills.demo"}
        parts.enter_context(worker(redis.url, simulator.url, **settings))
        env = settings | {"DINGDA_REDIS_URL": redis.url}
        stream = parts.enter_context(process("-m", "dingda", "stream", env=env))
        dingtalk = parts.enter_context(SimulatedDingTalk.at(simulator.url))
        running = Stack(dingtalk, stream)
        wait_until(running.is_connected)
        yield running


def test_a_question_is_answered_once_and_acknowledged_long_before(stack: Stack) -> None:
    before = stack.dingtalk.stream.state
    assert stack.asked() == 1
    after = stack.dingtalk.stream.state
    assert (after.acked - before.acked, after.lost, after.second, after.invalid) == (1, 0, 0, 0)


def test_a_message_whose_acknowledgement_is_lost_is_answered_once(stack: Stack) -> None:
    before = stack.dingtalk.stream.state
    with stack.dingtalk.stream.faults(lost_acks=1), suppress(RequestRejectedError):
        stack.asked()  # it says that nobody acknowledged it in time
    wait_until(lambda: stack.dingtalk.stream.state.redelivered > before.redelivered)
    wait_until(lambda: stack.dingtalk.stream.state.acked > before.acked)
    record = stack.dingtalk.records()[-1]
    assert len(stack.dingtalk.look(record, wait_s=10).shown) == 1


def test_messages_that_come_while_connections_are_replaced_are_all_answered(stack: Stack) -> None:
    for number in range(3):
        stack.dingtalk.stream.disconnect(f"reason {number}")
        wait_until(stack.is_connected)
        assert stack.asked() == 1
    wait_until(lambda: len(stack.dingtalk.stream.state.connections) == 1)
    assert stack.dingtalk.stream.state.lost == 0


def test_a_connection_that_is_cut_is_opened_again(stack: Stack) -> None:
    stack.dingtalk.stream.cut()
    wait_until(stack.is_connected)
    assert stack.asked() == 1
