"""`make demo`: the whole road on one machine, and what to type next."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from dingda.simulator.organisation import APP_KEY
from scripts import demo_coupons, demo_performance

_DATA = Path("data")
_OPEN_METEO = ("api.open-meteo.com", 443)
_REACHED_WITHIN_S = 2.0
_READY_WITHIN_S = 30.0
_STOPPED_WITHIN_S = 15.0

_READY = """
  Dingda is ready. Talk to it in a browser: http://127.0.0.1:{simulator}/
  or in another terminal, from this folder:
{chosen}
    .venv/bin/python -m simulator say "整体跳转"
    .venv/bin/python -m simulator say "北京明天天气怎么样"
    .venv/bin/python -m simulator say "优惠券 机械键盘 200元以内"
    .venv/bin/python -m simulator say --single "我的绩效"
    .venv/bin/python -m simulator say "帮助"
    .venv/bin/python -m simulator chat
    DINGDA_REDIS_URL=redis://127.0.0.1:{redis}/0 .venv/bin/python -m worker status

  The gateway listens on http://127.0.0.1:{gateway}/dd_robot/, a simulated DingTalk on
  http://127.0.0.1:{simulator}, a Redis on 127.0.0.1:{redis} with its data under data/.
  {weather}
  Ctrl-C stops them all.
"""


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the demo, and the variable that chooses another."""

    what: str
    variable: str
    default: int

    @property
    def number(self) -> int:
        """The port to use."""
        return int(os.environ.get(self.variable) or self.default)

    @property
    def is_taken(self) -> bool:
        """Whether somebody listens there already."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.number))
            except OSError:
                return True
            return False


REDIS = Port("Redis", "DINGDA_DEMO_REDIS_PORT", 6380)
GATEWAY = Port("the gateway", "DINGDA_PORT", 8000)
SIMULATOR = Port("the simulated DingTalk", "DINGDA_SIMULATOR_PORT", 8100)


def main() -> int:
    """Start everything, say when it is ready, and stop everything at Ctrl-C."""
    taken = [port for port in (REDIS, GATEWAY, SIMULATOR) if port.is_taken]
    if taken:
        print("\n".join(_why_not(taken)), file=sys.stderr)
        return 1
    weather = _weather()
    # A session of its own, so that Ctrl-C reaches it once, from here, and not its children as well.
    honcho = subprocess.Popen(
        [sys.executable, "-m", "honcho", "-f", "Procfile.dev", "-e", os.devnull, "start"],
        env=_environment() | weather.settings | _tables(),
        start_new_session=True,
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        if _is_ready(honcho):
            ports = {"gateway": GATEWAY, "simulator": SIMULATOR, "redis": REDIS}
            numbers = {name: port.number for name, port in ports.items()}
            print(_READY.format(weather=weather.told, chosen=_chosen(), **numbers), flush=True)
            _open_page()
        return honcho.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(honcho)


def _why_not(taken: list[Port]) -> list[str]:
    others = " ".join(f"{port.variable}={port.number + 10}" for port in taken)
    return [
        *(f"Port {port.number} ({port.what}) is taken." for port in taken),
        f"Choose another: make demo {others}",
    ]


def _chosen() -> str:
    """What tells the other terminal of a port that was chosen; nothing where none was."""
    if SIMULATOR.number == SIMULATOR.default:
        return ""
    return f"\n    export {SIMULATOR.variable}={SIMULATOR.number}"


def _environment() -> dict[str, str]:
    """The demo's settings: its own, whatever a `.env` beside it says of the real bot."""
    simulator = f"http://127.0.0.1:{SIMULATOR.number}"
    return os.environ | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "PYTHONUNBUFFERED": "1",
        "DINGDA_APP_SECRET": "only-the-demo-uses-this",
        "DINGDA_REDIS_URL": f"redis://127.0.0.1:{REDIS.number}/0",
        "DINGDA_HOST": "127.0.0.1",
        "DINGDA_PORT": str(GATEWAY.number),
        "DINGDA_SIMULATOR_PORT": str(SIMULATOR.number),
        "DINGDA_SESSION_WEBHOOK_ORIGINS": simulator,
        "DINGDA_APP_KEY": APP_KEY,
        "DINGDA_ROBOT_CODE": "",
        "DINGDA_PROXY_URL": "",
        "DINGDA_OPENAPI_URL": f"{simulator}/openapi",
        "DINGDA_OAPI_URL": f"{simulator}/openapi",
    }


@dataclass(frozen=True, slots=True)
class Weather:
    """Where the demo's weather is from."""

    settings: dict[str, str]
    told: str


def _weather() -> Weather:
    """The real weather where the network is open, else an invented one, which says that it is."""
    if "DINGDA_OPEN_METEO_URL" in os.environ:
        return Weather({}, "The weather is from where DINGDA_OPEN_METEO_URL says.")
    try:
        socket.create_connection(_OPEN_METEO, _REACHED_WITHIN_S).close()
    except OSError:
        stand_in = f"http://127.0.0.1:{SIMULATOR.number}/open-meteo"
        settings = {
            "DINGDA_OPEN_METEO_URL": stand_in,
            "DINGDA_OPEN_METEO_GEOCODING_URL": stand_in,
        }
        return Weather(settings, "Open-Meteo cannot be reached from here: the weather is invented.")
    return Weather({}, "The weather is Open-Meteo's.")


def _tables() -> dict[str, str]:
    """Small databases for the skills that read one, made anew."""
    coupons, performance = (_DATA / name for name in ("coupons.db", "performance.db"))
    demo_coupons.create(coupons)
    demo_performance.create(performance)
    return {
        "DINGDA_COUPONS_URL": f"sqlite:///{coupons.absolute()}",
        "DINGDA_PERFORMANCE_URL": f"sqlite:///{performance.absolute()}",
    }


def _is_ready(honcho: "subprocess.Popen[bytes]") -> bool:
    waiting_for = [
        f"http://127.0.0.1:{GATEWAY.number}/readyz",
        f"http://127.0.0.1:{SIMULATOR.number}/api/health",
    ]
    give_up_at = time.monotonic() + _READY_WITHIN_S
    while waiting_for and honcho.poll() is None and time.monotonic() < give_up_at:
        if _answers(waiting_for[0]):
            waiting_for.pop(0)
        else:
            time.sleep(0.1)
    return not waiting_for


def _answers(url: str | urllib.request.Request) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own address
            return True
    except (urllib.error.URLError, OSError):
        return False


def _open_page() -> None:
    """Say a first thing and show it, where there is a screen."""
    page = f"http://127.0.0.1:{SIMULATOR.number}"
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{page}/api/messages",
        json.dumps({"text": "帮助"}).encode(),
        {"Content-Type": "application/json"},
    )
    _answers(request)
    # Without a screen, a browser would be one of the terminal's, and take it over.
    if sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        webbrowser.open(page)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stop(honcho: "subprocess.Popen[bytes]") -> None:
    """Ask honcho to stop its processes; what does not listen is killed with its whole group."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if honcho.poll() is None:
        honcho.terminate()
        try:
            honcho.wait(_STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(honcho.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
