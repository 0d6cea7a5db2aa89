"""A reaction on a message while the bot works on it, such as 🤔思考中: best effort, and undone.

Source: `emotion/reply` and `emotion/recall` of DingTalk's generated SDK (robot_1_0); no page of
DingTalk's describes them. The second takes the body of the first. Each is a paid call, so a message
that is answered quickly gets none.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import stamina

from dingda.shared.dingtalk.message import Message
from dingda.worker.errors import BackendError, BackendUnavailableError
from dingda.worker.services.access_token import OpenAPIRefusedError
from dingda.worker.services.call_rate import CallRate
from dingda.worker.services.openapi import OpenAPI

logger = logging.getLogger(__name__)

AFTER_S = 1.0
_LONGEST_WAIT_S = 10.0
_ATTEMPTS = 4
_EMOTION = {"emotionId": "2659900", "backgroundId": "im_bg_1"}
_TEXT_EMOTION = 2


class ThinkingReaction:
    """Puts one robot's reaction on messages.

    Args:
        openapi: of the robot's application.
        rate: of its calls.
        robot_code: the robot's.
        text: what the reaction says.
    """

    def __init__(self, openapi: OpenAPI, rate: CallRate, *, robot_code: str, text: str) -> None:
        self._openapi = openapi
        self._rate = rate
        self._robot_code = robot_code
        self._text = text
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def shown(self, message: Message) -> Iterator[None]:
        """Show it while the context lasts, from `AFTER_S` seconds on; nothing waits for it."""
        over = asyncio.Event()
        task = asyncio.create_task(self._show(message, over))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            yield
        finally:
            over.set()

    async def _show(self, message: Message, over: asyncio.Event) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), AFTER_S)
            return
        body = self._body(message)
        if not await self._rate.wait(longest_s=0):
            return
        try:
            await self._call("reply", body)
        except OpenAPIRefusedError as error:
            logger.warning("the reaction was not shown: %s", error.reason)
            return
        except BackendError as error:  # it may be there all the same
            logger.info("the reaction: %s", error.reason)
        await over.wait()
        await self._rate.wait(longest_s=_LONGEST_WAIT_S)
        with suppress(BackendError):
            await self._call("recall", body)

    async def _call(self, what: str, body: dict[str, Any]) -> None:
        """Call one of the two; DingTalk often fails for a moment here.

        Raises:
            BackendError: if it never succeeds.
        """
        async for attempt in stamina.retry_context(
            on=BackendUnavailableError, attempts=_ATTEMPTS, wait_initial=0.5, wait_max=5.0
        ):
            with attempt:
                await self._openapi.call("POST", f"/v1.0/robot/emotion/{what}", body)

    def _body(self, message: Message) -> dict[str, Any]:
        return {
            "robotCode": self._robot_code,
            "openMsgId": message.msg_id,
            "openConversationId": message.conversation_id,
            "emotionType": _TEXT_EMOTION,
            "emotionName": self._text,
            "textEmotion": {**_EMOTION, "emotionName": self._text, "text": self._text},
        }
