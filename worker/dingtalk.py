"""DingTalk's OpenAPI: who works for whom, and a private word to somebody.

Sources: DingTalk's pages on accessToken, topapi/v2/user/get, topapi/v2/department/get,
contact/users/search and oToMessages/batchSend. Who somebody is goes by userid alone: names are not
unique and nicknames are the asker's own choice.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
import stamina

from dingda.shared.reply import ActionCard, FeedCard, Markdown, Reply, Text, link
from dingda.worker.backend import NO_LIMITS, Backend, Limits
from dingda.worker.cache import Cache
from dingda.worker.classify import Meaning, classify, errcode_in, meaning_of, parse_object
from dingda.worker.delivery import HTTPAnswer, send_once
from dingda.worker.errors import (
    BackendBusyError,
    BackendError,
    BackendProtocolError,
    BackendRefusedError,
    BackendUnavailableError,
)
from dingda.worker.http import Http, JSONAnswer
from dingda.worker.outcome import Delivered, Outcome, Refused, Retry, Trouble, Unknown
from dingda.worker.people import Person
from dingda.worker.single_flight import SharedCallCancelledError, SingleFlight
from dingda.worker.transport import BeforeSend

OPENAPI = Backend("钉钉")
SERVICE = OPENAPI.name
_OFFICIAL = replace(OPENAPI, per_s=15)
"""About 20 calls a second are allowed for an application and an API; what is sent counts as well.
"""
_OFFICIAL_HOSTS = frozenset({"api.dingtalk.com", "oapi.dingtalk.com"})
MAX_PRIVATE_BYTES = 15_000
"""DingTalk's bound for a msgParam in groups; it documents none for a single chat."""
_MAX_TOKEN_S, _TOKEN_MARGIN_S = 7200, 300
_MAX_FOUND = 20
_ATTEMPTS = 3
_PAUSE_S = 1.0
_MAX_VERTICAL_BUTTONS = 5
_TOKEN_HEADER = "x-acs-dingtalk-access-token"  # noqa: S105 - a header's name

_MAX_CODE_CHARS = 80
# errcodes of the older API, beside those of `worker.classify`.
_BAD_TOKEN = frozenset({40014, 42001})
_NOT_THERE = frozenset({33012, 60121, 60003})
"""No such userid, user or department."""
# Codes and lists of the newer one.
_NOT_REACHED = ("invalidStaffIdList", "filteredStaffIdList")
_SENT_TOO_FAST = frozenset({"send.too.fast", "send.byToken.tooFast"})


class DingTalk:
    """One application's way to DingTalk's OpenAPI.

    Args:
        http: for calls that ask.
        sender: for calls that must not be repeated; an httpx client over a `ClaimingTransport`.
        cache: keeps the access token, which DingTalk wants to be asked for rarely.
        app_key: the application's AppKey (Client ID).
        app_secret: its AppSecret (Client Secret).
        robot_code: its robot.
        openapi_url: `https://api.dingtalk.com`.
        oapi_url: `https://oapi.dingtalk.com`.
        limits: what is set of its bounds.
    """

    def __init__(  # noqa: PLR0913 - an account at two addresses, and how to get there
        self,
        http: Http,
        sender: httpx.AsyncClient,
        cache: Cache,
        *,
        app_key: str,
        app_secret: str,
        robot_code: str,
        openapi_url: str,
        oapi_url: str,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._http = http
        self._sender = sender
        self._cache = cache
        self._app_key = app_key
        self._app_secret = app_secret
        self._robot_code = robot_code
        self._openapi_url = openapi_url
        self._oapi_url = oapi_url
        self._limits = limits
        self._flights = SingleFlight()

    async def person(self, staff_id: str) -> Person | None:
        """Look somebody up by userid; None if the organisation has nobody of that id.

        Raises:
            BackendError: if DingTalk can't be asked, or doesn't answer what was asked.
        """
        answer = await self._oapi("/topapi/v2/user/get", {"userid": staff_id})
        if answer is None:
            return None
        result = answer.get("result")
        if not isinstance(result, dict):
            raise BackendProtocolError(SERVICE, "user/get answers without a result")
        # The direct manager is only there when somebody filled it in.
        return Person(
            staff_id=staff_id,
            name=str(result.get("name") or ""),
            manager_staff_id=_userid(result.get("manager_userid") or ""),
            title=str(result.get("title") or ""),
            department_ids=_integers(result.get("dept_id_list")),
        )

    async def department(self, department_id: int) -> str:
        """Return the name of a department; "" if there is none of that id.

        Raises:
            BackendError: if DingTalk can't be asked, or refuses.
        """
        answer = await self._oapi("/topapi/v2/department/get", {"dept_id": department_id})
        result = answer.get("result") if answer else None
        return str(result.get("name") or "") if isinstance(result, dict) else ""

    async def find(self, name: str) -> list[str]:
        """Return the userids of the people of a name, at most twenty.

        Raises:
            BackendError: if DingTalk can't be asked, or refuses.
        """
        query = {"queryWord": name, "offset": 0, "size": _MAX_FOUND, "fullMatchField": 1}
        url = f"{self._openapi_url}/v1.0/contact/users/search"
        async for attempt in _patiently():
            with attempt:
                answer = await self._with_token(
                    lambda token: self._http.json(
                        self._backend(url),
                        "POST",
                        url,
                        json=query,
                        headers={_TOKEN_HEADER: token},
                    ),
                    is_stale=lambda answer: _is_stale(answer.status, answer.data),
                )
                if answer.status != HTTPStatus.OK:
                    raise _refusal(answer)
        return _userids(_fields(answer))

    async def send_privately(
        self,
        staff_id: str,
        reply: Reply,
        *,
        before_send: BeforeSend,
        left_s: float,
    ) -> Outcome:
        """Send somebody a reply in the single chat with the robot, once.

        Args:
            staff_id: to whom, by userid.
            reply: what to say.
            before_send: claims the right to send, when the connection stands.
            left_s: seconds until it is too late.

        Raises:
            LeaseLostError: what `before_send` raises to stop it.
        """
        try:
            async with asyncio.timeout(left_s):
                token = await self._token()
        except (BackendUnavailableError, BackendBusyError, TimeoutError) as error:
            return Retry(Trouble.BUSY, f"private: no access token ({type(error).__name__})")
        except BackendError as error:
            return Refused(f"private: no access token: {error.reason}")
        key, values = _as_private(reply)
        letter = {
            "robotCode": self._robot_code,
            "userIds": [staff_id],
            "msgKey": key,
            "msgParam": json.dumps(values, ensure_ascii=False),
        }
        answer = await send_once(
            self._sender,
            f"{self._openapi_url}/v1.0/robot/oToMessages/batchSend",
            json.dumps(letter, ensure_ascii=False).encode(),
            headers={_TOKEN_HEADER: token},
            before_send=before_send,
            left_s=left_s,
        )
        if not isinstance(answer, HTTPAnswer):
            return answer
        if _is_stale(answer.status, parse_object(answer.body)):
            await self._forget_token(token)
        return _classify_private(answer, staff_id)

    async def _oapi(self, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Call the older API, which says in an errcode what became of it; None: nothing there."""
        url = self._oapi_url + path
        async for attempt in _patiently():
            with attempt:
                answer = await self._with_token(
                    lambda token: self._http.json(
                        self._backend(url),
                        "POST",
                        url,
                        params={"access_token": token},
                        json=body,
                    ),
                    is_stale=lambda answer: _errcode(answer) in _BAD_TOKEN,
                )
                code = _errcode(answer)
                if code in _NOT_THERE:
                    return None
                if code != 0:
                    raise _refusal(answer)
        fields: dict[str, Any] = answer.data
        return fields

    async def _with_token(
        self,
        call: Callable[[str], Awaitable[JSONAnswer]],
        *,
        is_stale: Callable[[JSONAnswer], bool],
    ) -> JSONAnswer:
        """Make a call; with a new token once more if DingTalk has forgotten this one."""
        token = await self._token()
        answer = await call(token)
        if is_stale(answer):
            await self._forget_token(token)
            answer = await call(await self._token())
        return answer

    async def _token(self) -> str:
        kept = await self._cache.get(self._token_key)
        if kept:
            return str(kept)
        try:
            # One after the other, all would wait for a DingTalk that hangs.
            return await self._flights.run("token", self._new_token)
        except SharedCallCancelledError:
            return await self._new_token()

    async def _new_token(self) -> str:
        url = f"{self._openapi_url}/v1.0/oauth2/accessToken"
        answer = await self._http.json(
            self._backend(url),
            "POST",
            url,
            json={"appKey": self._app_key, "appSecret": self._app_secret},
        )
        fields = _fields(answer)
        token, lasts_s = fields.get("accessToken"), fields.get("expireIn")
        if answer.status != HTTPStatus.OK or not token:
            raise _refusal(answer)
        if not isinstance(token, str) or type(lasts_s) is not int:
            raise BackendProtocolError(SERVICE, "no access token with its expireIn")
        if not (token.isascii() and token.isprintable()):
            raise BackendProtocolError(SERVICE, "an access token that no header holds")
        ttl_s = max(60, min(lasts_s, _MAX_TOKEN_S) - _TOKEN_MARGIN_S)
        await self._cache.set(self._token_key, token, ttl_s=ttl_s)
        return token

    async def _forget_token(self, token: str) -> None:
        # Somebody may have asked for another one in the meantime.
        if await self._cache.get(self._token_key) == token:
            await self._cache.set(self._token_key, None, ttl_s=1)

    def _backend(self, url: str) -> Backend:
        is_official = urlsplit(url).hostname in _OFFICIAL_HOSTS
        return (_OFFICIAL if is_official else OPENAPI).limited(self._limits)

    @property
    def _token_key(self) -> str:
        return f"dingtalk-token:{self._app_key}"


def _patiently() -> AsyncIterator[stamina.Attempt]:
    """Try again after a second, by when DingTalk counts anew how often it was called."""
    return stamina.retry_context(
        on=BackendUnavailableError,
        attempts=_ATTEMPTS,
        # As in `worker.http`: a service that hangs is not asked again.
        timeout=OPENAPI.timeout_s,
        wait_initial=_PAUSE_S,
        wait_jitter=0.5,
    )


def _fields(answer: JSONAnswer) -> dict[str, Any]:
    return answer.data if isinstance(answer.data, dict) else {}


def _userids(fields: Mapping[str, Any]) -> list[str]:
    """Who was found; an answer that doesn't say it is not taken for nobody."""
    found = fields.get("list", [] if fields.get("totalCount") == 0 else None)
    if not isinstance(found, list):
        raise BackendProtocolError(SERVICE, "users/search answers without a list")
    return [_userid(staff_id) for staff_id in found]


def _integers(value: object) -> tuple[int, ...]:
    return tuple(each for each in value if type(each) is int) if isinstance(value, list) else ()


def _userid(value: object) -> str:
    if not isinstance(value, str):
        raise BackendProtocolError(SERVICE, "a userid that is no text")
    return value


def _errcode(answer: JSONAnswer) -> int:
    """The older API's verdict."""
    code = errcode_in(_fields(answer))
    if code is None:
        raise BackendProtocolError(SERVICE, f"HTTP {answer.status} without an errcode")
    return code


def _is_stale(status: int, fields: object) -> bool:
    """Whether the newer API doesn't know the token: documented as a 400, seen as a 401."""
    code = fields.get("code") if isinstance(fields, dict) else None
    return status == HTTPStatus.UNAUTHORIZED or code == "InvalidAuthentication"


def _refusal(answer: JSONAnswer) -> BackendError:
    """DingTalk's refusal with its codes; its words may hold names and addresses."""
    fields = _fields(answer)
    code = fields.get("code", fields.get("errcode"))
    sub_code = f"/{fields['sub_code']}" if "sub_code" in fields else ""
    reason = f"HTTP {answer.status}, {code!s:.{_MAX_CODE_CHARS}}{sub_code:.{_MAX_CODE_CHARS}}"
    errcode = errcode_in(fields)
    passes = errcode is not None and meaning_of(errcode) in (Meaning.BUSY, Meaning.THROTTLED)
    if passes or "QpsLimit" in str(code):
        return BackendUnavailableError(SERVICE, reason)
    return BackendRefusedError(SERVICE, reason)


def _classify_private(answer: HTTPAnswer, staff_id: str) -> Outcome:
    """Decide what became of a private message: a 200 may still say that it was not sent."""
    fields = parse_object(answer.body) or {}
    code = str(fields.get("code", ""))[:_MAX_CODE_CHARS]
    reason = f"private: HTTP {answer.status} {code}".strip()
    if answer.status == HTTPStatus.OK:
        if any(_lists(fields, name, staff_id) for name in _NOT_REACHED):
            return Refused("private: DingTalk doesn't reach the asker by this userid")
        if _lists(fields, "flowControlledStaffIdList", staff_id):
            return Retry(Trouble.THROTTLED, "private: flow control")
        if fields.get("processQueryKey"):
            return Delivered()
        return Unknown("private: an answer without processQueryKey")
    if _is_stale(answer.status, fields):
        return Retry(Trouble.TOKEN, reason)
    if "QpmLimit" in code:
        return Retry(Trouble.THROTTLED, reason)
    if code in _SENT_TOO_FAST or "QpsLimit" in code:
        return Retry(Trouble.BUSY, reason, max(answer.asked_s, _PAUSE_S))
    is_final = answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if is_final and code and answer.status != HTTPStatus.TOO_MANY_REQUESTS:
        return Refused(reason)
    return classify(answer.status, answer.asked_s, answer.body)


def _lists(fields: Mapping[str, Any], name: str, staff_id: str) -> bool:
    listed = fields.get(name)
    return isinstance(listed, list) and staff_id in listed


def _as_private(reply: Reply) -> tuple[str, dict[str, str]]:
    """The robot's message templates (msgKey and msgParam) for a reply; nobody is mentioned.

    Links are paragraphs: inside a list they can't be clicked in a single chat.
    """
    match reply:
        case Text(content):
            return "sampleText", {"content": content}
        case Markdown(title, text):
            return "sampleMarkdown", {"title": title, "text": text}
        case ActionCard(title, text, link=single) if single:
            values = {"singleTitle": single.title, "singleURL": single.url}
            return "sampleActionCard", {"title": title, "text": text, **values}
        case ActionCard(title, text, buttons=buttons) if len(buttons) <= _MAX_VERTICAL_BUTTONS:
            values = {}
            for number, button in enumerate(buttons, start=1):
                values |= {f"actionTitle{number}": button.title, f"actionURL{number}": button.url}
            return f"sampleActionCard{len(buttons)}", {"title": title, "text": text, **values}
        case ActionCard(title, text, buttons=buttons):
            links = (link(button.title, button.url) for button in buttons)
            return "sampleMarkdown", {"title": title, "text": "\n\n".join((text, *links))}
        case FeedCard(feed):
            links = (link(row.title, row.url) for row in feed)
            return "sampleMarkdown", {"title": feed[0].title, "text": "\n\n".join(links)}
