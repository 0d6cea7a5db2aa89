"""Reading a request's body within bounds of size and time: uvicorn keeps neither."""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from dingda.gateway.http.rejection import RejectedError
from dingda.gateway.receiver import MAX_BODY_BYTES
from dingda.shared.runtime.cancel_reason import CancelReason

BODY_TIMEOUT_S = 3.0
_CHECK_EVERY_S = 0.25
_DRAIN_BYTES = 1024 * 1024
_DRAIN_S = 0.5
_TOO_SLOW = CancelReason("the body is too slow")


class BodyReader:
    """Reads bodies of at most `MAX_BODY_BYTES`, each within `BODY_TIMEOUT_S`.

    One timer watches all bodies that are being read. A timer for each would cost an eighth of what
    a message costs here, and hardly any would ever fire.
    """

    def __init__(self) -> None:
        self._begun: dict[asyncio.Task[Any], float] = {}
        self._is_watched = False

    async def read(self, receive: Receive) -> bytes:
        """Read one body.

        Raises:
            RejectedError: 413 if it is too large, 408 if it is too slow.
            ClientDisconnect: if it breaks off.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101 - ASGI calls from a task
        self._watch(task, loop)
        try:
            chunk, more = await _receive_chunk(receive)
            body = bytearray(chunk) if more else chunk
            while more and len(body) <= MAX_BODY_BYTES:
                chunk, more = await _receive_chunk(receive)
                body += chunk
        except asyncio.CancelledError as cancelled:
            if not _TOO_SLOW.explains(cancelled):
                raise
            task.uncancel()
            detail = f"the body did not arrive within {BODY_TIMEOUT_S:g} s"
            raise RejectedError(HTTPStatus.REQUEST_TIMEOUT, "slow", detail) from None
        finally:
            self._begun.pop(task, None)
        if len(body) > MAX_BODY_BYTES:
            raise too_large()
        return bytes(body)

    def _watch(self, task: "asyncio.Task[Any]", loop: asyncio.AbstractEventLoop) -> None:
        self._begun[task] = loop.time()
        if not self._is_watched:
            self._is_watched = True
            loop.call_later(_CHECK_EVERY_S, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop what has been read for too long; the dict is in order of beginning."""
        latest_s = loop.time() - BODY_TIMEOUT_S
        for task, begun_s in list(self._begun.items()):
            if begun_s > latest_s:
                break
            del self._begun[task]
            _TOO_SLOW.cancel(task)
        self._is_watched = bool(self._begun)
        if self._is_watched:
            loop.call_later(_CHECK_EVERY_S, self._check, loop)


def check_length(declared: bytes) -> None:
    """Look at a Content-Length before anything is read.

    Raises:
        RejectedError: 413 if it is too large, or none.
    """
    if not declared.isdigit() or int(declared[:20]) > MAX_BODY_BYTES:
        raise too_large()


def too_large() -> RejectedError:
    """The rejection of a body above the limit."""
    detail = f"the body is larger than {MAX_BODY_BYTES} bytes"
    return RejectedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "size", detail)


async def drain(receive: Receive) -> None:
    """Read a little of what still comes: a client that meets a reset never reads the response."""
    drained, more = 0, True
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_DRAIN_S):
            while more and drained < _DRAIN_BYTES:
                chunk, more = await _receive_chunk(receive)
                drained += len(chunk)


async def _receive_chunk(receive: Receive) -> tuple[bytes, bool]:
    event = await receive()
    if event["type"] == "http.disconnect":
        raise ClientDisconnect
    return event.get("body", b""), event.get("more_body", False)
