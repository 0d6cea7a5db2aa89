"""What the figures were measured on."""

import json
import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.candidates import Server
from benchmarks.processes import BASELINES, BASELINES_ARQ, run

_OURS = ("starlette", "uvicorn", "uvloop", "httptools", "redis", "hiredis", "rq", "aiohttp")
_CLIENTS = ("httpx", "httpx-aiohttp")
_BASELINES = ("dramatiq", "taskiq", "taskiq-redis", "redis", "Django", "gunicorn", "httpx")
_BASELINES_ARQ = ("arq", "redis")


def describe(server: Server) -> dict[str, str]:
    """Name the machine, the load it had already, and every version that matters."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": run("git", "describe", "--always", "--dirty").strip(),
        "processor": _first(r"model name\s*:\s*(.+)", "/proc/cpuinfo"),
        "cores": str(os.cpu_count()),
        "memory": f"{int(_first(r'MemTotal: *([0-9]+)', '/proc/meminfo')) / 1024**2:.0f} GB",
        "load before the run": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Valkey": f"{_version_of(server)}, appendonly, appendfsync everysec",
        "Dingda's packages": _installed(_OURS),
        "the clients compared with Dingda's": _installed(_CLIENTS),
        "the baselines' packages": _versions(BASELINES, _BASELINES),
        "arq's packages": _versions(BASELINES_ARQ, _BASELINES_ARQ),
    }


def _version_of(server: Server) -> str:
    facts = server.client.info("server")
    return str(facts.get("valkey_version", facts["redis_version"]))


def _installed(names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {version(name)}" for name in names)


def _versions(python: str, names: tuple[str, ...]) -> str:
    listed = run(python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check")
    found = {package["name"].lower(): package["version"] for package in json.loads(listed)}
    return ", ".join(f"{name} {found[name.lower()]}" for name in names)


def _first(pattern: str, path: str) -> str:
    found = re.search(pattern, Path(path).read_text())
    return found[1].strip() if found else "0"
