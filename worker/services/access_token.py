"""The access token of DingTalk's OpenAPI: asked for once, kept, and forgotten when it goes bad.

Source: DingTalk's page on accessToken.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from dingda.worker.errors import (
    BackendConfigError,
    BackendError,
    BackendProtocolError,
    BackendUnavailableError,
)
from dingda.worker.services.backend import NO_LIMITS, Backend, Limits
from dingda.worker.services.cache import Cache
from dingda.worker.services.errcodes import Meaning, errcode_in, meaning_of
from dingda.worker.services.http_client import Http, JSONResponse
from dingda.worker.services.single_flight import SharedCallCancelledError, SingleFlight

OPENAPI = Backend("钉钉")
TOKEN_HEADER = "x-acs-dingtalk-access-token"  # noqa: S105 - a header's name
_OFFICIAL = replace(OPENAPI, per_s=15)
"""About 20 calls a second are allowed for an application and an API; what is sent counts as well.
"""
_OFFICIAL_HOSTS = frozenset({"api.dingtalk.com", "oapi.dingtalk.com"})
_MAX_TOKEN_S, _TOKEN_MARGIN_S, _MIN_TOKEN_S = 7200, 300, 60
_MAX_CODE_CHARS = 80


class AccessToken:
    """One application's token, shared by all that calls the OpenAPI in its name.

    Args:
        http: for the call that asks for one.
        cache: keeps it, for DingTalk wants to be asked rarely.
        app_key: the application's AppKey (Client ID).
        app_secret: its AppSecret (Client Secret).
        openapi_url: `https://api.dingtalk.com`.
        limits: what is set of the OpenAPI's bounds.
    """

    def __init__(
        self,
        http: Http,
        cache: Cache,
        *,
        app_key: str,
        app_secret: str,
        openapi_url: str,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._http = http
        self._cache = cache
        self._app_key = app_key
        self._app_secret = app_secret
        self._url = f"{openapi_url}/v1.0/oauth2/accessToken"
        self._limits = limits
        self._cache_key = f"dingtalk-token:{app_key}"
        self._flights = SingleFlight()

    async def get(self) -> str:
        """Return the token that is kept, or a new one.

        Raises:
            BackendError: if DingTalk can't be asked, or gives none.
        """
        kept = await self._cache.get(self._cache_key)
        if kept:
            return str(kept)
        try:
            # One after the other, all would wait for a DingTalk that hangs.
            return await self._flights.run("token", self._fetch)
        except SharedCallCancelledError:
            return await self._fetch()

    async def forget(self, token: str) -> None:
        """Take a token out of the cache that DingTalk doesn't know, unless there is another now."""
        if await self._cache.get(self._cache_key) == token:
            await self._cache.set(self._cache_key, None, ttl_s=1)

    async def call(
        self,
        call: Callable[[str], Awaitable[JSONResponse]],
        *,
        is_stale: Callable[[JSONResponse], bool],
    ) -> JSONResponse:
        """Make a call with the token, and once more with a new one if DingTalk has forgotten it.

        Args:
            call: makes it with the token that it is given.
            is_stale: whether a response says that the token is not known.

        Raises:
            BackendError: if there is no token to be had; and what the call raises.
        """
        token = await self.get()
        response = await call(token)
        if is_stale(response):
            await self.forget(token)
            response = await call(await self.get())
        return response

    async def _fetch(self) -> str:
        response = await self._http.json(
            backend_at(self._url, self._limits),
            "POST",
            self._url,
            json={"appKey": self._app_key, "appSecret": self._app_secret},
        )
        fields = fields_of(response)
        token, lasts_s = fields.get("accessToken"), fields.get("expireIn")
        if response.status != HTTPStatus.OK or not token:
            raise refusal(response)
        if not isinstance(token, str) or type(lasts_s) is not int:
            raise BackendProtocolError(OPENAPI.name, "no access token with its expireIn")
        if not (token.isascii() and token.isprintable()):
            raise BackendProtocolError(OPENAPI.name, "an access token that no header holds")
        ttl_s = max(_MIN_TOKEN_S, min(lasts_s, _MAX_TOKEN_S) - _TOKEN_MARGIN_S)
        await self._cache.set(self._cache_key, token, ttl_s=ttl_s)
        return token


def backend_at(url: str, limits: Limits) -> Backend:
    """The OpenAPI as a backend; DingTalk's own bounds hold at its own hosts."""
    is_official = urlsplit(url).hostname in _OFFICIAL_HOSTS
    return (_OFFICIAL if is_official else OPENAPI).limited(limits)


def is_unknown_token(status: int, fields: object) -> bool:
    """Whether the newer API doesn't know the token: documented as a 400, seen as a 401."""
    code = fields.get("code") if isinstance(fields, dict) else None
    return status == HTTPStatus.UNAUTHORIZED or code == "InvalidAuthentication"


def refusal(response: JSONResponse) -> BackendError:
    """DingTalk's refusal with its codes; its words may hold names and addresses."""
    fields = fields_of(response)
    code = fields.get("code", fields.get("errcode"))
    sub_code = f"/{fields['sub_code']}" if "sub_code" in fields else ""
    reason = f"HTTP {response.status}, {code!s:.{_MAX_CODE_CHARS}}{sub_code:.{_MAX_CODE_CHARS}}"
    errcode = errcode_in(fields)
    passes = errcode is not None and meaning_of(errcode) in (Meaning.BUSY, Meaning.THROTTLED)
    if passes or "QpsLimit" in str(code):
        return BackendUnavailableError(OPENAPI.name, reason)
    return BackendConfigError(OPENAPI.name, reason)


def fields_of(response: JSONResponse) -> dict[str, Any]:
    """The JSON object of a response; empty where it holds none."""
    return response.data if isinstance(response.data, dict) else {}
