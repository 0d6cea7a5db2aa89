"""DingTalk as nobody wants it: it hangs, resets, throttles and lies, and knows what was shown."""

import asyncio
import random
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

Mood = Literal["well", "busy", "throttling", "hanging", "resetting", "lying"]
MOODS: tuple[Mood, ...] = ("busy", "throttling", "hanging", "resetting", "lying")
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
class Turn:
    """What happens to one reply."""

    shown: bool
    status: int = 200
    text: str = _OK
    wait_s: float = 0.03
    reset: bool = False


class DingTalk:
    """Takes the replies and counts which are shown.

    Args:
        dice: decides.
    """

    def __init__(self, dice: random.Random) -> None:
        self.mood: Mood = "well"
        self.posts = 0
        self.arrived: set[str] = set()
        self.shown: Counter[str] = Counter()
        self._dice = dice

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
        turn = self._turn(first=session not in self.arrived)
        self.posts += 1
        self.arrived.add(session)
        self.shown[session] += turn.shown
        await asyncio.sleep(turn.wait_s)
        if turn.reset and request.transport:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            request.transport.abort()
        return web.Response(status=turn.status, text=turn.text, content_type="application/json")

    def _turn(self, *, first: bool) -> Turn:
        """In a mood half of the replies meet it; in none, one in two hundred meets any of them."""
        luck = self._dice.random()
        mood = self.mood if luck < 0.5 else "well"
        if mood == "well" and luck > 0.995:
            mood = self._dice.choice(MOODS)
        shown = self._dice.random() < 0.5
        match mood:
            case "busy":
                return self._dice.choice(
                    [
                        Turn(shown=False, text='{"errcode": -1}'),
                        Turn(shown=False, status=503, text=""),
                        Turn(shown=False, status=429, text=""),
                    ]
                )
            case "throttling" if first:  # a later attempt would wait for ten minutes
                return Turn(shown=False, text='{"errcode": 130101}')
            case "hanging":
                return Turn(shown=shown, wait_s=_HANG_S)
            case "resetting":
                return Turn(shown=shown, reset=True)
            case "lying":
                status, text = self._dice.choice(_LIES)
                return Turn(shown=shown, status=status, text=text)
        return Turn(shown=True, wait_s=self._dice.uniform(0.01, 0.06))
