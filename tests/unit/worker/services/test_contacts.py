"""DingTalk's OpenAPI as we ask it: who somebody is, and a private word."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from dingda.shared.dingtalk.reply import (
    ActionCard,
    Button,
    FeedCard,
    FeedLink,
    Markdown,
    Reply,
    Text,
)
from dingda.simulator.backends import dingtalk_errors, dingtalk_openapi
from dingda.simulator.backends.dingtalk_openapi import Department, FakeOpenAPI, Person
from dingda.testing import MemoryCache
from dingda.worker.delivery.outcome import Delivered, DeliveryOutcome, Rejected, Retry, Unknown
from dingda.worker.delivery.private import to_private_body
from dingda.worker.errors import (
    BackendConfigError,
    BackendError,
    BackendProtocolError,
    BackendUnavailableError,
)
from dingda.worker.services.access_token import AccessToken
from dingda.worker.services.contacts import Contacts
from tests.support.builders import a_message
from tests.support.openapi_clients import OverHTTPX, a_token, contacts_of, private_channel

pytestmark = pytest.mark.heavy

SECRET = "app-secret-canary"
PEOPLE = (
    Person("u1", "张三", "boss", "工程师", (1, 7)),
    Person("u2", "李四", "boss"),
    Person("u3", "张三"),
    Person("boss", "王总"),
)
SECRET_WORD = Text("秘密")
LINK = "https://example.com/"


class Organisation:
    """The OpenAPI, and our clients of it."""

    def __init__(self) -> None:
        self.clock_s = 0.0
        self.api = FakeOpenAPI(
            PEOPLE,
            app_key="key",
            app_secret=SECRET,
            departments=[Department(7, "技术部")],
            now_s=lambda: self.clock_s,
        )
        self.cache = MemoryCache(lambda: self.clock_s)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.api.app()))
        self.claimed = 0

    def token(self, app_secret: str = SECRET) -> AccessToken:
        return a_token(self.client, self.cache, app_secret=app_secret)

    def contacts(self, app_secret: str = SECRET) -> Contacts:
        return contacts_of(self.client, self.token(app_secret))

    async def send(self, reply: Reply = SECRET_WORD, *, to: str = "u1") -> DeliveryOutcome:
        async def claim() -> None:
            self.claimed += 1

        return await private_channel(OverHTTPX(self.client), self.token()).send(
            a_message(senderStaffId=to), to_private_body(reply), before_send=claim, timeout_s=5
        )


@pytest.fixture
async def here() -> AsyncIterator[Organisation]:
    organisation = Organisation()
    async with organisation.client:
        yield organisation


# Who somebody is.


async def test_a_person_may_have_a_title_and_departments(here: Organisation) -> None:
    person = await here.contacts().person("u1")
    assert person is not None
    assert (person.title, person.department_ids) == ("工程师", (1, 7))
    person = await here.contacts().person("u3")
    assert person is not None
    assert person.title == ""


async def test_a_department_has_a_name(here: Organisation) -> None:
    assert await here.contacts().department(7) == "技术部"
    assert await here.contacts().department(8) == ""


async def test_departments_need_a_permission(here: Organisation) -> None:
    here.api.faults.append(dingtalk_errors.NO_PERMISSION)
    with pytest.raises(BackendConfigError):
        await here.contacts().department(7)


async def test_a_person_has_a_name_and_a_manager(here: Organisation) -> None:
    person = await here.contacts().person("u1")
    assert person is not None
    assert (person.staff_id, person.name, person.manager_staff_id) == ("u1", "张三", "boss")


async def test_a_person_without_a_manager_in_the_address_book_has_none(here: Organisation) -> None:
    person = await here.contacts().person("u3")
    assert person is not None
    assert person.manager_staff_id == ""


async def test_an_unknown_userid_is_nobody(here: Organisation) -> None:
    assert await here.contacts().person("stranger") is None


async def test_everybody_of_a_name_is_found(here: Organisation) -> None:
    assert await here.contacts().find("张三") == ["u1", "u3"]
    assert await here.contacts().find("没有这个人") == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (dingtalk_errors.NO_PERMISSION, BackendConfigError),
        (dingtalk_errors.OVERLOADED, BackendUnavailableError),
        ((200, {"errmsg": "no errcode"}), BackendProtocolError),
        ((200, {"errcode": False}), BackendProtocolError),
        ((200, {"errcode": 0.5}), BackendProtocolError),
        ((200, {"errcode": 0}), BackendProtocolError),
        ((200, {"errcode": 60020, "errmsg": "访问ip不在白名单之中"}), BackendConfigError),
    ],
)
async def test_what_the_older_api_refuses_is_an_error(
    here: Organisation, fault: tuple[int, dict[str, Any]], error: type[Exception]
) -> None:
    here.api.faults.extend([fault] * 4)
    with pytest.raises(error):
        await here.contacts().person("u1")


async def test_a_busy_address_book_is_asked_again(here: Organisation) -> None:
    here.api.faults.append(dingtalk_errors.BUSY)
    assert await here.contacts().person("u1")


async def test_too_many_questions_a_second_are_asked_again_a_few_times(here: Organisation) -> None:
    here.api.faults.append(dingtalk_errors.QPS_LIMIT)
    assert await here.contacts().find("李四") == ["u2"]
    here.api.faults.extend([dingtalk_errors.QPS_LIMIT] * 3)
    with pytest.raises(BackendUnavailableError):
        await here.contacts().find("张三")


# The token.


async def test_one_token_serves_many_calls_at_once_and_later(here: Organisation) -> None:
    contacts = here.contacts()
    await asyncio.gather(*(contacts.person("u1") for _ in range(5)))
    await here.contacts().find("张三")
    assert here.api.asked.count("/v1.0/oauth2/accessToken") == 1


async def test_a_token_is_renewed_before_it_ends(here: Organisation) -> None:
    await here.contacts().person("u1")
    here.clock_s = dingtalk_openapi.TOKEN_S - 200
    await here.contacts().person("u1")
    assert here.api.asked.count("/v1.0/oauth2/accessToken") == 2


async def test_a_token_that_dingtalk_has_forgotten_is_replaced_once(here: Organisation) -> None:
    await here.contacts().person("u1")
    here.api.forget_tokens()
    assert await here.contacts().person("u1")
    here.api.forget_tokens()
    assert await here.contacts().find("李四") == ["u2"]


async def test_a_wrong_secret_is_a_matter_of_configuration(here: Organisation) -> None:
    with pytest.raises(BackendConfigError, match="钉钉"):
        await here.contacts("other").person("u1")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"accessToken": ""},
        {"accessToken": "t", "expireIn": "soon"},
        {"accessToken": "t", "expireIn": None},
        {"accessToken": "t", "expireIn": []},
    ],
)
async def test_an_answer_without_a_token_is_an_error_of_ours(
    here: Organisation, body: dict[str, Any]
) -> None:
    here.api.token_faults.append((200, body))
    with pytest.raises(BackendError):
        await here.contacts().person("u1")


# A private word.


async def test_a_private_message_is_claimed_once_and_delivered(here: Organisation) -> None:
    here.claimed = 0
    assert await here.send() == Delivered()
    (message,) = here.api.sent
    assert (message.userid, message.key, message.values) == (
        "u1",
        "sampleText",
        {"content": "秘密"},
    )


@pytest.mark.parametrize(
    ("reply", "key", "values"),
    [
        (Markdown("题", "**文**"), "sampleMarkdown", {"title": "题", "text": "**文**"}),
        (
            ActionCard("题", "文", link=Button("看", LINK)),
            "sampleActionCard",
            {"title": "题", "text": "文", "singleTitle": "看", "singleURL": LINK},
        ),
        (
            ActionCard("题", "文", buttons=(Button("甲", LINK), Button("乙", LINK))),
            "sampleActionCard2",
            {
                "title": "题",
                "text": "文",
                "actionTitle1": "甲",
                "actionURL1": LINK,
                "actionTitle2": "乙",
                "actionURL2": LINK,
            },
        ),
        (
            FeedCard((FeedLink("甲", LINK, LINK), FeedLink("乙", LINK, LINK))),
            "sampleMarkdown",
            {"title": "甲", "text": f"[甲]({LINK})\n\n[乙]({LINK})"},
        ),
    ],
)
async def test_every_kind_of_reply_has_a_private_form(
    here: Organisation, reply: Reply, key: str, values: dict[str, str]
) -> None:
    await here.send(reply)
    (message,) = here.api.sent
    assert (message.key, message.values) == (key, values)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ((200, {"invalidStaffIdList": ["u1"]}), Rejected),
        ((200, {"flowControlledStaffIdList": ["u1"]}), Retry),
        ((200, {}), Unknown),
        ((400, {"code": "staffId.notExisted"}), Rejected),
        (dingtalk_errors.QPS_LIMIT, Retry),
        (dingtalk_errors.UNAUTHORIZED, Retry),
        (dingtalk_errors.OVERLOADED, Retry),
    ],
)
async def test_each_answer_to_a_private_message_has_its_outcome(
    here: Organisation, fault: tuple[int, dict[str, Any]], kind: type
) -> None:
    here.api.faults.append(fault)
    assert isinstance(await here.send(), kind)


async def test_a_userid_outside_the_organisation_gets_nothing(here: Organisation) -> None:
    assert isinstance(await here.send(to="stranger"), Rejected)
    assert here.api.sent == []


async def test_without_a_token_nothing_is_claimed_and_it_is_tried_again(
    here: Organisation,
) -> None:
    here.api.token_faults.extend([dingtalk_errors.OVERLOADED] * 4)
    assert isinstance(await here.send(), Retry)
    assert here.claimed == 0


async def test_no_token_secret_or_name_is_logged_or_raised(
    here: Organisation, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.WARNING, logger="httpx"):
        await here.contacts().person("u1")
        await here.send()
        here.api.faults.extend([dingtalk_errors.NO_PERMISSION] * 2)
        with pytest.raises(BackendConfigError) as refusal:
            await here.contacts().person("u1")
    _, (_, token) = next(iter(here.cache.entries.items()))
    for said in (caplog.text, str(refusal.value), refusal.value.reason):
        assert SECRET not in said
        assert json.dumps(token) not in said
        assert str(token) not in said
        assert "张三" not in said
