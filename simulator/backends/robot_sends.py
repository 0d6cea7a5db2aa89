"""What a robot sends of its own accord: to a group, and as an emotion on a message.

Facts: DingTalk's page on groupMessages/send; for emotions, which have no page, what DingTalk's own
clients of them send.
"""

import secrets

from starlette.requests import Request
from starlette.routing import Route

from dingda.simulator.backends.dingtalk_errors import (
    BAD_MESSAGE,
    FOREIGN_GROUP,
    FOREIGN_ROBOT,
    NO_BODY,
    NOT_A_MESSAGE,
    Error,
)
from dingda.simulator.backends.dingtalk_openapi import FakeOpenAPI
from dingda.simulator.backends.openapi_access import SEND, Answer, fields_of
from dingda.simulator.backends.private_message import payload_of, values_of
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation


class RobotSends:
    """The APIs of one application's robot.

    Args:
        openapi: checks the calls.
        dingtalk: shows what is sent.
        changes: announces it.
    """

    def __init__(self, openapi: FakeOpenAPI, dingtalk: Simulation, changes: ChangeNotifier) -> None:
        self._openapi = openapi
        self._dingtalk = dingtalk
        self._changes = changes

    def routes(self) -> list[Route]:
        """Their routes."""
        newer = self._openapi.newer
        return [
            newer("POST", "/v1.0/robot/groupMessages/send", SEND, self._send_to_group),
            newer("POST", "/v1.0/robot/emotion/reply", SEND, self._react),
            newer("POST", "/v1.0/robot/emotion/recall", SEND, self._take_back),
        ]

    async def _send_to_group(self, request: Request) -> Answer:
        """DingTalk: nobody is mentioned, whatever the text says."""
        fields = await fields_of(request)
        if fields is None:
            return NO_BODY
        values = values_of(fields)
        if error := self._check_robot(fields.get("robotCode")):
            return error
        group = self._dingtalk.group_of(str(fields.get("openConversationId") or ""))
        if group is None:
            return FOREIGN_GROUP
        if values is None:
            return BAD_MESSAGE
        robot = self._dingtalk.name_of_robot(str(fields["robotCode"]))
        self._dingtalk.bot_sends.to_group(payload_of(fields["msgKey"], values), group, robot)
        await self._changes.announce()
        return 200, {"processQueryKey": secrets.token_hex(8)}

    async def _react(self, request: Request) -> Answer:
        return await self._set_emotion(request, is_on=True)

    async def _take_back(self, request: Request) -> Answer:
        return await self._set_emotion(request, is_on=False)

    async def _set_emotion(self, request: Request, *, is_on: bool) -> Answer:
        fields = await fields_of(request)
        if fields is None:
            return NO_BODY
        if error := self._check_robot(fields.get("robotCode")):
            return error
        text = (fields.get("textEmotion") or {}).get("text") or fields.get("emotionName")
        message = (str(fields.get("openMsgId")), str(fields.get("openConversationId")))
        if not text or not self._dingtalk.react(*message, str(text), is_on=is_on):
            return NOT_A_MESSAGE
        await self._changes.announce()
        return 200, {"success": True}

    def _check_robot(self, robot_code: object) -> Error | None:
        return None if robot_code in self._openapi.robot_codes else FOREIGN_ROBOT
