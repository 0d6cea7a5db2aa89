"""The access token of DingTalk's OpenAPI: fetched once, cached, and dropped when it expires.

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
"""DingTalk allows about 20 calls a second for an application and an API; sends count as well."""
_OFFICIAL_HOSTS = frozenset({"api.dingtalk.com", "oapi.dingtalk.com"})
_MAX_TOKEN_S, _TOKEN_MARGIN_S, _MIN_TOKEN_S = 7200, 300, 60
_MAX_CODE_CHARS = 80


class AccessToken:
    """One application's token, shared by all calls of the OpenAPI in its name.

    Args:
        http: fetches a token.
        cache: keeps it, because DingTalk limits how often a token may be fetched.
        app_key: the application's AppKey (Client ID).
        app_secret: its AppSecret (Client Secret).
        openapi_url: `https://api.dingtalk.com`.
        limits: the limits that are set for the OpenAPI.
        note_call: counts a call; each of them takes the token first.
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
        note_call: Callable[[], None] = lambda: None,
    ) -> None:
        self._http = http
        self._cache = cache
        self._app_key = app_key
        self._app_secret = app_secret
        self._url = f"{openapi_url}/v1.0/oauth2/accessToken"
        self._limits = limits
        self._note_call = note_call
        self._cache_key = f"dingtalk-token:{app_key}"
        self._flights = SingleFlight()

    async def get(self) -> str:
        """Return the cached token, or a new one, for one call.

        Raises:
            BackendError: if DingTalk can't be reached, or returns none.
        """
        token = await self._cache.get(self._cache_key) or await self._fetch_once()
        self._note_call()
        return str(token)

    async def forget(self, token: str) -> None:
        """Drop a token that DingTalk rejected from the cache, unless it has been replaced."""
        if await self._cache.get(self._cache_key) == token:
            await self._cache.set(self._cache_key, None, ttl_s=1)

    async def call(
        self,
        call: Callable[[str], Awaitable[JSONResponse]],
        *,
        is_stale: Callable[[JSONResponse], bool],
    ) -> JSONResponse:
        """Make a call with the token, and repeat it with a new one if DingTalk rejects the token.

        Args:
            call: makes the call with a given token.
            is_stale: whether a response rejects the token.

        Raises:
            BackendError: if no token can be fetched; and what the call raises.
        """
        token = await self.get()
        response = await call(token)
        if is_stale(response):
            await self.forget(token)
            response = await call(await self.get())
        return response

    async def _fetch_once(self) -> str:
        try:
            # Fetched one after the other, every caller would wait for a DingTalk that hangs.
            return await self._flights.run("token", self._fetch)
        except SharedCallCancelledError:
            return await self._fetch()

    async def _fetch(self) -> str:
        response = await self._http.json(
            backend_at(self._url, self._limits),
            "POST",
            self._url,
            json={"appKey": self._app_key, "appSecret": self._app_secret},
        )
        fields = fields_of(response)
        token, expires_in_s = fields.get("accessToken"), fields.get("expireIn")
        if response.status != HTTPStatus.OK or not token:
            raise refusal(response)
        if not isinstance(token, str) or type(expires_in_s) is not int:
            raise BackendProtocolError(OPENAPI.name, "no access token with its expireIn")
        if not (token.isascii() and token.isprintable()):
            raise BackendProtocolError(OPENAPI.name, "an access token that no header holds")
        ttl_s = max(_MIN_TOKEN_S, min(expires_in_s, _MAX_TOKEN_S) - _TOKEN_MARGIN_S)
        await self._cache.set(self._cache_key, token, ttl_s=ttl_s)
        return token


def backend_at(url: str, limits: Limits) -> Backend:
    """The OpenAPI as a backend; DingTalk's own limits apply at its own hosts."""
    is_official = urlsplit(url).hostname in _OFFICIAL_HOSTS
    return (_OFFICIAL if is_official else OPENAPI).limited(limits)


def is_unknown_token(status: int, fields: object) -> bool:
    """Whether the newer API rejects the token: documented as a 400, seen as a 401."""
    code = fields.get("code") if isinstance(fields, dict) else None
    return status == HTTPStatus.UNAUTHORIZED or code == "InvalidAuthentication"


class RateLimitedError(BackendUnavailableError):
    """There were more calls in this second than DingTalk takes; this one was not carried out."""


class OpenAPIRefusedError(BackendConfigError):
    """DingTalk rejects the call; `code` is its own name or number of the reason."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(OPENAPI.name, reason)
        self.code = code


def refusal(response: JSONResponse) -> BackendError:
    """The error for a rejected call, with its codes only: its text may hold names and addresses."""
    if response.data is None:
        # A proxy's page or a balancer's, not DingTalk's word on the call.
        return BackendProtocolError(OPENAPI.name, f"HTTP {response.status} without JSON")
    fields = fields_of(response)
    code = fields.get("code", fields.get("errcode"))
    sub_code = f"/{fields['sub_code']}" if "sub_code" in fields else ""
    reason = f"HTTP {response.status}, {code!s:.{_MAX_CODE_CHARS}}{sub_code:.{_MAX_CODE_CHARS}}"
    if "QpsLimit" in str(code):
        return RateLimitedError(OPENAPI.name, reason)
    errcode = errcode_in(fields)
    if errcode is not None and meaning_of(errcode) in (Meaning.BUSY, Meaning.THROTTLED):
        return BackendUnavailableError(OPENAPI.name, reason)
    return OpenAPIRefusedError(reason, str(code if errcode is None else errcode))


def fields_of(response: JSONResponse) -> dict[str, Any]:
    """The JSON object of a response; empty where it holds none."""
    return response.data if isinstance(response.data, dict) else {}
