"""The worker's clients of DingTalk's OpenAPI, as a test wants them: of one account."""

from contextlib import AbstractContextManager, nullcontext

import httpx

from dingda.testing import MemoryCache
from dingda.worker.delivery.private import PrivateChannel
from dingda.worker.delivery.robot_api import RobotApi
from dingda.worker.delivery.transport import BeforeSend, Request, Response, Transport
from dingda.worker.services.access_token import AccessToken
from dingda.worker.services.cache import Cache
from dingda.worker.services.contacts import Contacts
from dingda.worker.services.http_client import Http
from dingda.worker.services.openapi import OpenAPI

OPENAPI_URL = "https://api.dingtalk.com"
OAPI_URL = "https://oapi.dingtalk.com"


class OverHTTPX:
    """A `Transport` to the fakes that an httpx client reaches."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def exchange(self, request: Request, claim: BeforeSend) -> Response:
        """Claim, and send the request."""
        await claim()
        response = await self._client.post(
            request.url, headers=request.headers, content=request.content
        )
        return Response(response.status_code, response.content, response.headers)

    def expect(self, _: str) -> AbstractContextManager[None]:
        """Open nothing ahead."""
        return nullcontext()


def a_token(
    client: httpx.AsyncClient, cache: Cache | None = None, *, app_secret: str = "secret"
) -> AccessToken:
    return AccessToken(
        Http(client),
        cache or MemoryCache(),
        app_key="key",
        app_secret=app_secret,
        openapi_url=OPENAPI_URL,
    )


def contacts_of(client: httpx.AsyncClient, token: AccessToken | None = None) -> Contacts:
    """An address book, asked through a client; with a token of its own unless one is given."""
    return Contacts(openapi_of(client, token))


def openapi_of(client: httpx.AsyncClient, token: AccessToken | None = None) -> OpenAPI:
    """The OpenAPI, called through a client; with a token of its own unless one is given."""
    return OpenAPI(Http(client), token or a_token(client), url=OPENAPI_URL, oapi_url=OAPI_URL)


def private_channel(transport: Transport, token: AccessToken) -> PrivateChannel:
    return PrivateChannel(robot_api(transport, token))


def robot_api(transport: Transport, token: AccessToken) -> RobotApi:
    """The robot's own part of the OpenAPI."""
    return RobotApi(transport, token, robot_code="robot", openapi_url=OPENAPI_URL)
