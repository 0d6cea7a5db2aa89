"""DingTalk's OpenAPI may answer anything: it is an error of its own kind, never a wrong person."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from dingda.shared.dingtalk.reply import Text
from dingda.testing import MemoryCache
from dingda.worker.delivery.outcome import (
    Delivered,
    DeliveryOutcome,
    FailureKind,
    Rejected,
    Retry,
    Unknown,
)
from dingda.worker.delivery.private import to_private_body
from dingda.worker.errors import BackendError, BackendUnavailableError
from dingda.worker.services.contacts import Contacts
from tests.support.builders import a_message
from tests.support.openapi_clients import OverHTTPX, a_token, contacts_of, private_channel

pytestmark = pytest.mark.usefixtures("without_waiting")
NOW_S = 1000.0
TOKEN = {"accessToken": "t", "expireIn": 7200}


class Answering(httpx.AsyncBaseTransport):
    """Gives a token, and answers everything else as told."""

    def __init__(self, status: int, body: bytes, token: Any) -> None:
        self._answer = (status, body)
        self._token = json.dumps(token).encode()
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        is_token = request.url.path.endswith("accessToken")
        status, body = (200, self._token) if is_token else self._answer
        return httpx.Response(status, stream=httpx.ByteStream(body))


class Asked:
    """Our clients of a DingTalk that answers strangely."""

    def __init__(self, line: Answering, client: httpx.AsyncClient) -> None:
        self.line = line
        self.cache = MemoryCache(lambda: NOW_S)
        token = a_token(client, self.cache)
        self.contacts = contacts_of(client, token)
        self._private = private_channel(OverHTTPX(client), token)

    async def send(self) -> DeliveryOutcome:
        async def claim() -> None:
            await asyncio.sleep(0)

        return await self._private.send(
            a_message(senderStaffId="u1"),
            to_private_body(Text("秘密")),
            before_send=claim,
            timeout_s=5,
        )


@asynccontextmanager
async def answering(answer: Any, status: int = 200, token: Any = None) -> AsyncIterator[Asked]:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    line = Answering(status, body, TOKEN if token is None else token)
    async with httpx.AsyncClient(transport=line) as client:
        yield Asked(line, client)


# The token ----------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [5, True, [], ["t"], {"a": 1}])
async def test_a_token_that_is_no_text_is_none(token: Any) -> None:
    async with answering({}, token={"accessToken": token, "expireIn": 7200}) as asked:
        with pytest.raises(BackendError):
            await asked.contacts.person("u1")
        assert asked.cache.entries == {}


@pytest.mark.parametrize("life", [True, False, 7200.5, "7200", None, []])
async def test_a_life_that_is_no_number_of_seconds_is_not_believed(life: Any) -> None:
    token = {"accessToken": "t", "expireIn": life}
    async with answering({"errcode": 60121}, token=token) as asked:
        with pytest.raises(BackendError):
            await asked.contacts.person("u1")


async def test_a_token_is_kept_for_no_longer_than_tokens_live() -> None:
    token = {"accessToken": "t", "expireIn": 10**12}
    async with answering({"errcode": 60121}, token=token) as asked:
        assert await asked.contacts.person("u1") is None
        assert [until for until, _ in asked.cache.entries.values()] == [NOW_S + 7200 - 300]


# Who somebody is ----------------------------------------------------------------------------


@pytest.mark.parametrize("errcode", [False, True, 0.5, 0.0, None, [], {}, "", "zero"])
async def test_an_errcode_that_is_no_number_is_no_success(errcode: Any) -> None:
    async with answering({"errcode": errcode, "result": {"name": "张三"}}) as asked:
        with pytest.raises(BackendError):
            await asked.contacts.person("u1")


@pytest.mark.parametrize("sub_code", [0, "0", None])
async def test_an_errcode_that_refers_to_a_sub_code_of_0_is_no_success(sub_code: Any) -> None:
    answer = {"errcode": 88, "sub_code": sub_code, "result": {"name": "张三"}}
    async with answering(answer) as asked:
        with pytest.raises(BackendError):
            await asked.contacts.person("u1")


@pytest.mark.parametrize("manager", [5, True, ["u3"], {"userid": "u3"}])
async def test_a_manager_that_is_no_userid_is_an_error(manager: Any) -> None:
    answer = {"errcode": 0, "result": {"name": "张三", "manager_userid": manager}}
    async with answering(answer) as asked:
        with pytest.raises(BackendError):
            await asked.contacts.person("u1")


@pytest.mark.parametrize("result", [None, [], "张三", 0, True])
async def test_an_answer_without_somebody_is_not_nobody(result: Any) -> None:
    async with answering({"errcode": 0, "result": result}) as asked:
        with pytest.raises(BackendError):
            await asked.contacts.person("u1")


@pytest.mark.parametrize(
    "answer", [{}, [], None, *({"list": found} for found in ("u1", 1, True, None, {"u1": 1}, [5]))]
)
async def test_a_search_without_a_list_of_userids_has_not_found_nobody(answer: Any) -> None:
    async with answering(answer) as asked:
        with pytest.raises(BackendError):
            await asked.contacts.find("张三")


async def test_nobody_may_be_found_without_a_list_of_them() -> None:
    async with answering({"hasMore": False, "totalCount": 0}) as asked:
        assert await asked.contacts.find("张三") == []


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("look_up", [Contacts.person, Contacts.find])
async def test_trouble_at_dingtalk_s_is_unavailable(
    look_up: Callable[[Contacts, str], Any], status: int
) -> None:
    async with answering({}, status) as asked:
        with pytest.raises(BackendUnavailableError):
            await look_up(asked.contacts, "u1")


# As captured: what stops a call on its way wears 88, and its own code beneath.
_FORGOTTEN = {"errcode": 88, "sub_code": "40014", "sub_msg": "不合法的access_token"}


@pytest.mark.parametrize(
    ("look_up", "answer", "status"),
    [
        (Contacts.person, _FORGOTTEN, 200),
        (Contacts.person, {**_FORGOTTEN, "sub_code": "42001"}, 200),
        (Contacts.person, {"errcode": 40014}, 200),
        (Contacts.find, {"code": "InvalidAuthentication"}, 400),
        (Contacts.find, {"code": "InvalidAuthentication"}, 401),
    ],
)
async def test_a_token_that_stays_bad_is_asked_for_once_more_and_no_further(
    look_up: Callable[[Contacts, str], Any], answer: Any, status: int
) -> None:
    async with answering(answer, status) as asked:
        with pytest.raises(BackendError) as caught:
            await look_up(asked.contacts, "张三")
        assert "张三" not in f"{caught.value!r} {caught.value.reason}"
        assert [path.endswith("accessToken") for path in asked.line.asked] == [True, False] * 2


# Private messages ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["invalidStaffIdList", "filteredStaffIdList"])
async def test_a_user_listed_as_not_reached_is_not_reached(name: str) -> None:
    async with answering({"processQueryKey": "k", name: ["u1"]}) as asked:
        assert isinstance(await asked.send(), Rejected)


@pytest.mark.parametrize("listed", [None, [], "u1", 1, True, {"u1": 1}, ["u10"], [["u1"]]])
async def test_only_a_list_with_the_sender_in_it_says_that_they_were_not_reached(
    listed: Any,
) -> None:
    lists = dict.fromkeys(("invalidStaffIdList", "flowControlledStaffIdList"), listed)
    async with answering({"processQueryKey": "k", **lists}) as asked:
        assert await asked.send() == Delivered()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"processQ', b"[" * 15_000])
async def test_a_200_that_does_not_say_what_became_of_it_is_unknown(body: bytes) -> None:
    async with answering(body) as asked:
        assert isinstance(await asked.send(), Unknown)


@pytest.mark.parametrize("body", [{}, {"code": "TooManyRequests"}])
async def test_429_is_tried_again_whatever_its_words(body: dict[str, str]) -> None:
    async with answering(body, 429) as asked:
        assert isinstance(await asked.send(), Retry)


@pytest.mark.parametrize(
    ("status", "code", "kind", "retry_after_s"),
    [
        (400, "InvalidAuthentication", FailureKind.TOKEN, 0),
        (401, "", FailureKind.TOKEN, 0),
        (403, "Forbidden.AccessDenied.QpsLimitForApi", FailureKind.BUSY, 1),
        (403, "Forbidden.AccessDenied.QpmLimitForApi", FailureKind.THROTTLED, 0),
        (400, "send.too.fast", FailureKind.BUSY, 1),
        (500, "system.error", FailureKind.BUSY, 0),
    ],
)
async def test_what_passes_is_tried_again_by_its_kind(
    status: int, code: str, kind: FailureKind, retry_after_s: float
) -> None:
    async with answering({"code": code}, status) as asked:
        outcome = await asked.send()
        assert isinstance(outcome, Retry)
        assert (outcome.kind, outcome.retry_after_s) == (kind, retry_after_s)


@pytest.mark.parametrize(("status", "kind"), [(500, Retry), (503, Retry), (502, Unknown)])
async def test_an_error_of_dingtalk_s_own_is_as_for_any_reply(
    status: int, kind: type[DeliveryOutcome]
) -> None:
    async with answering({"code": "unknownError"}, status) as asked:
        assert isinstance(await asked.send(), kind)


async def test_an_outcome_holds_neither_the_message_nor_dingtalk_s_words() -> None:
    async with answering({"code": "unknownError", "message": "张三 秘密"}, 400) as asked:
        assert await asked.send() == Rejected("private: HTTP 400 unknownError")
