"""Where the demo's weather comes from."""

import os
import socket
from dataclasses import dataclass

from dingda.simulator.demo.ingress import SIMULATOR

_OPEN_METEO = ("api.open-meteo.com", 443)
_REACHED_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Weather:
    """The source of the demo's weather, and a sentence about it."""

    settings: dict[str, str]
    note: str


def find_weather() -> Weather:
    """The real weather if Open-Meteo can be reached, else an invented one."""
    if "DINGDA_OPEN_METEO_URL" in os.environ:
        return Weather({}, "The weather is from where DINGDA_OPEN_METEO_URL says.")
    try:
        socket.create_connection(_OPEN_METEO, _REACHED_WITHIN_S).close()
    except OSError:
        fake_url = f"http://127.0.0.1:{SIMULATOR.number}/open-meteo"
        settings = {
            "DINGDA_OPEN_METEO_URL": fake_url,
            "DINGDA_OPEN_METEO_GEOCODING_URL": fake_url,
        }
        return Weather(settings, "Open-Meteo cannot be reached from here: the weather is invented.")
    return Weather({}, "The weather is Open-Meteo's.")
