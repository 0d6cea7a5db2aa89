"""A fake DingTalk that hangs, resets, throttles and lies, and counts what was shown."""

import asyncio
import random
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

Behaviour = Literal["well", "busy", "throttling", "hanging", "resetting", "lying"]
BAD_BEHAVIOURS: tuple[Behaviour, ...] = ("busy", "throttling", "hanging", "resetting", "lying")
_RESET = struct.pack("ii", 1, 0)
_HANG_S = 20.0
_OK = '{"errcode": 0, "errmsg": "ok"}'
_LIES = (
    (200, "<html>ok</html>"),
    (200, '{"errcode": 0, "err'),
    (200, "{}"),
    (502, "bad gateway"),
    (504, ""),
)


@dataclass(frozen=True)
class Reaction:
    """What happens to one reply."""

    shown: bool
    status: int = 200
    text: str = _OK
    wait_s: float = 0.03
    reset: bool = False


class FaultyDingTalk:
    """Takes the replies and counts which are shown.

    Args:
        rng: decides.
    """

    def __init__(self, rng: random.Random) -> None:
        self.behaviour: Behaviour = "well"
        self.posts = 0
        self.arrived: set[str] = set()
        self.shown: Counter[str] = Counter()
        self._rng = rng

    async def start(self) -> int:
        """Listen on a free port, which is returned."""
        app = web.Application()
        app.router.add_post("/robot/sendBySession", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        await request.read()
        session = request.query["session"]
        reaction = self._reaction(first=session not in self.arrived)
        self.posts += 1
        self.arrived.add(session)
        self.shown[session] += reaction.shown
        await asyncio.sleep(reaction.wait_s)
        if reaction.reset and request.transport:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            request.transport.abort()
        return web.Response(
            status=reaction.status, text=reaction.text, content_type="application/json"
        )

    def _reaction(self, *, first: bool) -> Reaction:
        """Half of the replies meet the present behaviour, and one in 200 a bad one anyway."""
        luck = self._rng.random()
        behaviour = self.behaviour if luck < 0.5 else "well"
        if behaviour == "well" and luck > 0.995:
            behaviour = self._rng.choice(BAD_BEHAVIOURS)
        shown = self._rng.random() < 0.5
        match behaviour:
            case "busy":
                return self._rng.choice(
                    [
                        Reaction(shown=False, text='{"errcode": -1}'),
                        Reaction(shown=False, status=503, text=""),
                        Reaction(shown=False, status=429, text=""),
                    ]
                )
            case "throttling" if first:  # a later attempt would wait for ten minutes
                return Reaction(shown=False, text='{"errcode": 130101}')
            case "hanging":
                return Reaction(shown=shown, wait_s=_HANG_S)
            case "resetting":
                return Reaction(shown=shown, reset=True)
            case "lying":
                status, text = self._rng.choice(_LIES)
                return Reaction(shown=shown, status=status, text=text)
        return Reaction(shown=True, wait_s=self._rng.uniform(0.01, 0.06))
