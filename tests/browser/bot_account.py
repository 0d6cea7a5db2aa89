"""The bot's account for DingTalk's OpenAPI, used by a test in the place of the bot."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from uuid import uuid4

import httpx

from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.dingtalk.callback import GROUP_ID, staff_id_of
from dingda.simulator.dingtalk.card_templates import ACTION_TEMPLATE

APP_SECRET = "only-the-browser-tests-use-this"


class BotAccount:
    """Calls the simulated OpenAPI; a conversation is a person's name, or "" for the group."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[Self]:
        """Get a token from the simulator at a URL."""
        async with httpx.AsyncClient(base_url=f"{url}/openapi", trust_env=False) as http:
            secret = {"appKey": APP_KEY, "appSecret": APP_SECRET}
            token = (await http.post("/v1.0/oauth2/accessToken", json=secret)).json()["accessToken"]
            http.headers["x-acs-dingtalk-access-token"] = token
            yield cls(http)

    async def show_card(
        self,
        data: Mapping[str, str],
        *,
        to: str = "",
        template: str = ACTION_TEMPLATE,
        private: Mapping[str, Mapping[str, str]] | None = None,
        recipients: Sequence[str] = (),
    ) -> str:
        """Create a card and deliver it; `private` and `recipients` are by people's names.

        Returns:
            Its outTrackId.
        """
        out_track_id = f"test-{uuid4()}"
        kind, space = ("ROBOT", staff_id_of(to)) if to else ("GROUP", GROUP_ID)
        deliver = {"robotCode": APP_KEY, "recipients": [staff_id_of(name) for name in recipients]}
        await self._call(
            "POST",
            "/v1.0/card/instances/createAndDeliver",
            {
                "outTrackId": out_track_id,
                "cardTemplateId": template,
                "callbackType": "HTTP",
                "cardData": {"cardParamMap": data},
                "privateData": {
                    staff_id_of(name): {"cardParamMap": values}
                    for name, values in (private or {}).items()
                },
                "openSpaceId": f"dtv1.card//IM_{kind}.{space}",
                f"im{kind.title()}OpenSpaceModel": {"supportForward": True},
                f"im{kind.title()}OpenDeliverModel": deliver,
            },
        )
        return out_track_id

    async def update_card(self, out_track_id: str, data: Mapping[str, str]) -> None:
        """Change some variables of a card for everybody."""
        await self._call(
            "PUT",
            "/v1.0/card/instances",
            {
                "outTrackId": out_track_id,
                "cardData": {"cardParamMap": data},
                "cardUpdateOptions": {"updateCardDataByKey": True},
            },
        )

    async def stream(self, out_track_id: str, content: str, *, is_final: bool = False) -> None:
        """Send a frame: the whole text so far."""
        await self._call(
            "PUT",
            "/v1.0/card/streaming",
            {
                "outTrackId": out_track_id,
                "guid": str(uuid4()),
                "key": "content",
                "content": content,
                "isFull": True,
                "isFinalize": is_final,
                "isError": False,
            },
        )

    async def push(self, key: str, to: str = "", **values: str) -> None:
        """Send a message that answers nothing, by DingTalk's msgKey."""
        message = {"robotCode": APP_KEY, "msgKey": key, "msgParam": json.dumps(values)}
        if to:
            people = {"userIds": [staff_id_of(to)]}
            await self._call("POST", "/v1.0/robot/oToMessages/batchSend", message | people)
        else:
            group = {"openConversationId": GROUP_ID}
            await self._call("POST", "/v1.0/robot/groupMessages/send", message | group)

    async def react(self, message: Mapping[str, Any], text: str, *, on: bool = True) -> None:
        """Put an emotion on a user's message, or take it away."""
        await self._call(
            "POST",
            f"/v1.0/robot/emotion/{'reply' if on else 'recall'}",
            {
                "robotCode": APP_KEY,
                "openMsgId": message["msg_id"],
                "openConversationId": message["callback"]["conversationId"],
                "emotionName": text,
            },
        )

    async def _call(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        response = await self._http.request(method, path, json=body)
        assert response.is_success, response.text
