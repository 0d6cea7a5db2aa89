"""DingTalk's OpenAPI, called in one application's name: both of its generations, in one place.

Sources: DingTalk's pages on accessToken and on the errors of the server API. The newer API
(`api.dingtalk.com`) takes the token in a header and reports a refusal by an HTTP status with a
`code`; the older (`oapi.dingtalk.com`) takes it in the query and reports by an errcode in a 200.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import stamina

from dingda.worker.errors import BackendProtocolError, BackendUnavailableError
from dingda.worker.services.access_token import (
    OPENAPI,
    TOKEN_HEADER,
    AccessToken,
    backend_at,
    fields_of,
    is_unknown_token,
    refusal,
)
from dingda.worker.services.backend import NO_LIMITS, Limits
from dingda.worker.services.errcodes import errcode_in
from dingda.worker.services.http_client import Http, JSONResponse
from dingda.worker.services.http_message import Files

UPLOAD_TIMEOUT_S = 20.0
_MAX_ATTEMPTS = 3
_PAUSE_S = 1.0
_BAD_TOKEN = frozenset({40014, 42001})
"""The older API's errcodes for a token that it does not know, or that has expired."""


def openapi_attempts() -> AsyncIterator[stamina.Attempt]:
    """Make a call that may be repeated up to three times.

    It is made again after a second, by when DingTalk's window for counting calls is over.
    """
    return stamina.retry_context(
        on=BackendUnavailableError,
        attempts=_MAX_ATTEMPTS,
        # As in `worker.services.http_client`: a service that hangs is not called again.
        timeout=OPENAPI.timeout_s,
        wait_initial=_PAUSE_S,
        wait_jitter=0.5,
    )


class OpenAPI:
    """The calls of one application; a token that has expired is replaced once in each.

    What must be sent at most once goes by `worker.delivery.post` instead, which claims it first.

    Args:
        http: makes the calls.
        token: of the application in whose name they are made.
        url: `https://api.dingtalk.com`.
        oapi_url: `https://oapi.dingtalk.com`.
        limits: the limits that are set for the OpenAPI.
    """

    def __init__(
        self,
        http: Http,
        token: AccessToken,
        *,
        url: str,
        oapi_url: str,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._http = http
        self._token = token
        self._url = url
        self._oapi_url = oapi_url
        self._limits = limits

    async def call(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call the newer API.

        Args:
            method: the HTTP method.
            path: such as `/v1.0/card/instances`.
            body: to be sent as JSON.

        Returns:
            The JSON object of the response.

        Raises:
            RateLimitedError: if there were too many calls in this second; nothing was done.
            OpenAPIRefusedError: if DingTalk rejects the call.
            BackendError: if it can't be reached, or answers with something else.
        """
        url = self._url + path
        response = await self._token.call(
            lambda token: self._http.json(
                backend_at(url, self._limits),
                method,
                url,
                json=body,
                headers={TOKEN_HEADER: token},
            ),
            is_stale=lambda response: is_unknown_token(response.status, response.data),
        )
        if response.status != HTTPStatus.OK:
            raise refusal(response)
        return fields_of(response)

    async def call_oapi(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, str] | None = None,
        files: Files | None = None,
    ) -> dict[str, Any]:
        """Call the older API; otherwise as `call`.

        Args:
            path: such as `/topapi/v2/user/get`.
            body: to be sent as JSON; or
            params: the query, and
            files: what to upload in a form, which may take `UPLOAD_TIMEOUT_S`.
        """
        url = self._oapi_url + path
        backend = backend_at(url, self._limits)
        if files:
            backend = replace(backend, timeout_s=max(backend.timeout_s, UPLOAD_TIMEOUT_S))
        response = await self._token.call(
            lambda token: self._http.json(
                backend,
                "POST",
                url,
                params={**(params or {}), "access_token": token},
                json=body,
                files=files,
            ),
            is_stale=lambda response: _errcode(response) in _BAD_TOKEN,
        )
        if _errcode(response) != 0:
            raise refusal(response)
        return fields_of(response)


def _errcode(response: JSONResponse) -> int:
    """The errcode of the older API."""
    code = errcode_in(fields_of(response))
    if code is None:
        raise BackendProtocolError(OPENAPI.name, f"HTTP {response.status} without an errcode")
    return code
