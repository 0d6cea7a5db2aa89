"""DingTalk's Stream mode beside a fault environment: events and presses go into its Redis."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from dingda.simulator.testing.stream_simulator import a_stream_simulator
from tests.faults.environment import FaultEnvironment
from tests.support.processes import process, wait_until


@contextmanager
def stream_mode(env: FaultEnvironment, folder: Path) -> Iterator[SimulatedDingTalk]:
    """DingTalk, and a Stream process that stores what it pushes in the environment's Redis.

    Args:
        env: the environment.
        folder: where the simulator writes its log.
    """
    with a_stream_simulator(folder) as simulator:
        settings = simulator.settings | {"DINGDA_REDIS_URL": env.redis_url}
        with (
            process("-m", "dingda", "stream", env=settings),
            SimulatedDingTalk.at(simulator.url) as dingtalk,
        ):
            wait_until(lambda: dingtalk.stream.state.connections)
            yield dingtalk
