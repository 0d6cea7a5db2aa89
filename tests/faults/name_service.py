"""A skill module without commands, whose worker can look up a name only once a test lets it."""

import os
from collections.abc import Sequence
from pathlib import Path

from aiohappyeyeballs import AddrInfoType

from dingda.skill import Skill
from dingda.worker.delivery import addresses

NAME = "oapi.dingtalk.invalid"
"""A name that no name server knows (RFC 6761): until then the look-up fails by itself."""
MENDED = "TESTS_NAME_SERVICE_MENDED"
"""The environment variable with a path: once there is a file, the name means this machine."""

skill = Skill("name-service", summary="没有命令")
_look_up = addresses.look_up


def _means_this_machine(host: str) -> bool:
    return host == NAME and Path(os.environ[MENDED]).exists()


async def _look_up_once_mended(host: str, port: int) -> Sequence[AddrInfoType]:
    return await _look_up("127.0.0.1" if _means_this_machine(host) else host, port)


addresses.look_up = _look_up_once_mended
