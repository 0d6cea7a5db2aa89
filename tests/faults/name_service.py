"""A skill module without commands, whose worker can look up a name only once a test lets it."""

import os
import socket
from pathlib import Path

from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult

from dingda.skill import Skill

NAME = "oapi.dingtalk.invalid"
"""A name that no name server knows (RFC 6761): until then the look-up fails by itself."""
MENDED = "TESTS_NAME_SERVICE_MENDED"
"""The environment variable with a path: once there is a file, the name means this machine."""

skill = Skill("name-service", summary="没有命令")
_resolve = ThreadedResolver.resolve


def _means_this_machine(host: str) -> bool:
    return host == NAME and Path(os.environ[MENDED]).exists()


async def _resolve_once_mended(
    resolver: ThreadedResolver,
    host: str,
    port: int = 0,
    family: socket.AddressFamily = socket.AF_INET,
) -> list[ResolveResult]:
    found = "127.0.0.1" if _means_this_machine(host) else host
    return await _resolve(resolver, found, port, family)


ThreadedResolver.resolve = _resolve_once_mended  # type: ignore[method-assign, assignment]
