"""DingTalk's Stream mode beside a fault environment: events and presses go into its Redis."""

from collections.abc import Iterator
from contextlib import contextmanager

from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.testing.processes import free_port
from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from tests.faults.environment import FaultEnvironment
from tests.support.processes import SECRET, process, wait_until


@contextmanager
def stream_mode(env: FaultEnvironment) -> Iterator[SimulatedDingTalk]:
    """DingTalk, and a Stream process that stores what it pushes in the environment's Redis."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    account = {"DINGDA_APP_KEY": APP_KEY, "DINGDA_APP_SECRET": SECRET}
    simulated = {"DINGDA_SIMULATOR_PORT": str(port), "DINGDA_SIMULATOR_MODE": "stream"}
    stream = {
        "DINGDA_OPENAPI_URL": f"{url}/openapi",
        "DINGDA_REDIS_URL": env.redis_url,
        "DINGDA_METRICS_PORT": str(free_port()),
    }
    with process("-m", "simulator", env=account | simulated) as simulator:
        simulator.wait_for(url)
        with (
            process("-m", "dingda", "stream", env=account | stream),
            SimulatedDingTalk.at(url) as dingtalk,
        ):
            wait_until(lambda: dingtalk.stream.state.connections)
            yield dingtalk
