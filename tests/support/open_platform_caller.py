"""An application that calls the simulated OpenAPI, with what DingTalk wants in each call."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.dingtalk.callback import GROUP_ID
from dingda.simulator.dingtalk.card_templates import ACTION_TEMPLATE, ANSWER_TEMPLATE

CREATE = "/v1.0/card/instances/createAndDeliver"
INSTANCES = "/v1.0/card/instances"
STREAMING = "/v1.0/card/streaming"
REGISTER = "/v1.0/card/callbacks/register"
GROUP_SEND = "/v1.0/robot/groupMessages/send"
DOWNLOAD = "/v1.0/robot/messageFiles/download"
BY_KEY = {"updateCardDataByKey": True, "updatePrivateDataByKey": True}


def a_button(action_id: str, text: str = "同意", **params: str) -> dict[str, Any]:
    """A button of a card that asks the bot."""
    request = {"actionId": action_id, "params": params}
    return {
        "text": text,
        "color": "blue",
        "status": "normal",
        "event": {"type": "sendCardRequest", "params": request},
    }


def a_card(out_track_id: str = "card-1", **fields: Any) -> dict[str, Any]:
    """The body that creates a card with a button in the group, and delivers it."""
    params = {
        "title": "请假",
        "text": "周五",
        "buttons": json.dumps([a_button("approve", day="5")]),
    }
    return {
        "cardTemplateId": ACTION_TEMPLATE,
        "outTrackId": out_track_id,
        "callbackType": "STREAM",
        "cardData": {"cardParamMap": params},
        "openSpaceId": f"dtv1.card//IM_GROUP.{GROUP_ID}",
        "imGroupOpenSpaceModel": {"supportForward": True},
        "imGroupOpenDeliverModel": {"robotCode": APP_KEY},
        **fields,
    }


def an_answer(out_track_id: str = "card-1", **params: str) -> dict[str, Any]:
    """The same of an AI card."""
    data = {"cardParamMap": {"content": "", **params}}
    return a_card(out_track_id, cardTemplateId=ANSWER_TEMPLATE, cardData=data)


def a_frame(content: str, guid: str = "1", **fields: Any) -> dict[str, Any]:
    """A frame of such a card."""
    frame = {"outTrackId": "card-1", "guid": guid, "key": "content", "content": content}
    return {**frame, "isFull": True, "isFinalize": False, "isError": False, **fields}


def a_group_text(content: str) -> dict[str, Any]:
    """The body that sends a text to the group."""
    return {
        "robotCode": APP_KEY,
        "openConversationId": GROUP_ID,
        "msgKey": "sampleText",
        "msgParam": json.dumps({"content": content}, ensure_ascii=False),
    }


class PlatformCaller:
    """The application.

    Args:
        http: reaches the simulator.
        secret: the AppSecret.
    """

    def __init__(self, http: httpx.AsyncClient, *, secret: str) -> None:
        self._http = http
        self._secret = secret
        self._token = ""

    async def token(self) -> str:
        """A token, the same as long as it lives."""
        app = {"appKey": APP_KEY, "appSecret": self._secret}
        answer = await self._http.post("/openapi/v1.0/oauth2/accessToken", json=app)
        token: str = answer.json()["accessToken"]
        return token

    async def call(self, method: str, path: str, body: Mapping[str, Any]) -> httpx.Response:
        """Call an API of api.dingtalk.com."""
        self._token = self._token or await self.token()
        headers = {"x-acs-dingtalk-access-token": self._token}
        return await self._http.request(method, f"/openapi{path}", json=dict(body), headers=headers)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What a POST is answered with."""
        return (await self.call("POST", path, body)).json()

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """What a PUT is answered with."""
        return (await self.call("PUT", path, body)).json()

    async def update(self, params: Mapping[str, str], **fields: Any) -> Any:
        """Change public variables of card-1, and no other."""
        changed = {"outTrackId": "card-1", "cardData": {"cardParamMap": dict(params)}}
        return await self.put(INSTANCES, {**changed, "cardUpdateOptions": BY_KEY, **fields})
