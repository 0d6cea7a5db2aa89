"""The worker's clients of DingTalk's OpenAPI, as a test wants them: of one account."""

import httpx

from dingda.testing import MemoryCache
from dingda.worker.delivery.private import PrivateChannel
from dingda.worker.services.access_token import AccessToken
from dingda.worker.services.cache import Cache
from dingda.worker.services.contacts import Contacts
from dingda.worker.services.http_client import Http

OPENAPI_URL = "https://api.dingtalk.com"
OAPI_URL = "https://oapi.dingtalk.com"


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
    return Contacts(
        Http(client), token or a_token(client), openapi_url=OPENAPI_URL, oapi_url=OAPI_URL
    )


def private_channel(client: httpx.AsyncClient, token: AccessToken) -> PrivateChannel:
    return PrivateChannel(client, token, robot_code="robot", openapi_url=OPENAPI_URL)
