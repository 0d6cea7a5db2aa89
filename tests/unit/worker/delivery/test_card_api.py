"""Cards, as DingTalk's pages say that they are created, changed and streamed to."""

import json
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from dingda.worker.delivery.card_api import CardApi, NewCard, Space
from dingda.worker.delivery.outcome import Delivered, FailureKind, Rejected, Retry
from tests.support.openapi_clients import openapi_of

GROUP, SINGLE = Space(conversation_id="cidAAA=="), Space(staff_id="0001")
CREATE = "/v1.0/card/instances/createAndDeliver"


class Cards:
    """An OpenAPI that gives a token, and one response after the other."""

    def __init__(self) -> None:
        self.responses: list[tuple[int, Any]] = []
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        self.tokens = 0
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._respond))
        self.api = CardApi(openapi_of(self.client), robot_code="dingrobot")

    def _respond(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("accessToken"):
            self.tokens += 1
            return httpx.Response(200, json={"accessToken": "token", "expireIn": 7200})
        self.requests.append((request.method, request.url.path, json.loads(request.content)))
        status, body = self.responses.pop(0) if self.responses else (200, {"success": True})
        if isinstance(body, str):
            return httpx.Response(status, html=body)
        return httpx.Response(status, json=body)

    @property
    def body(self) -> dict[str, Any]:
        """The last request's."""
        return self.requests[-1][2]


@pytest.fixture
async def cards() -> AsyncIterator[Cards]:
    cards = Cards()
    async with cards.client:
        yield cards


def new_card(space: Space = GROUP, **fields: Any) -> NewCard:
    return NewCard("dd-1", "t.schema", space, {"title": "请假"}, **fields)


async def test_a_card_in_a_group_names_the_group_and_the_robot(cards: Cards) -> None:
    assert await cards.api.create(new_card(summary="请假", at={"0002": "李四"})) == Delivered()

    assert cards.requests[-1][:2] == ("POST", CREATE)
    assert cards.body == {
        "cardTemplateId": "t.schema",
        "outTrackId": "dd-1",
        "userIdType": 1,
        "cardData": {"cardParamMap": {"title": "请假"}},
        "callbackType": "STREAM",
        "openSpaceId": "dtv1.card//IM_GROUP.cidAAA==",
        "imGroupOpenSpaceModel": {"supportForward": True, "lastMessageI18n": {"ZH_CN": "请假"}},
        "imGroupOpenDeliverModel": {"robotCode": "dingrobot", "atUserIds": {"0002": "李四"}},
    }


async def test_a_card_to_a_person_is_in_the_single_chat_with_the_robot(cards: Cards) -> None:
    await cards.api.create(new_card(SINGLE))

    assert cards.body["openSpaceId"] == "dtv1.card//IM_ROBOT.0001"
    deliver = {"spaceType": "IM_ROBOT", "robotCode": "dingrobot"}
    assert cards.body["imRobotOpenDeliverModel"] == deliver
    assert "imGroupOpenDeliverModel" not in cards.body


async def test_presses_come_by_http_where_an_address_is_registered(cards: Cards) -> None:
    await cards.api.create(new_card(route_key="dingda"))

    assert (cards.body["callbackType"], cards.body["callbackRouteKey"]) == ("HTTP", "dingda")


async def test_an_update_keeps_the_variables_that_it_does_not_name(cards: Cards) -> None:
    await cards.api.update("dd-1", {"status": "approved"}, private={"0001": {"mine": "1"}})

    assert cards.requests[-1][:2] == ("PUT", "/v1.0/card/instances")
    options = {"updateCardDataByKey": True, "updatePrivateDataByKey": True}
    assert cards.body["cardUpdateOptions"] == options
    assert cards.body["cardData"] == {"cardParamMap": {"status": "approved"}}
    assert cards.body["privateData"] == {"0001": {"cardParamMap": {"mine": "1"}}}


async def test_a_frame_of_a_stream_is_the_whole_text(cards: Cards) -> None:
    await cards.api.stream("dd-1", guid="g1", key="content", content="你好", is_finalize=True)

    assert cards.requests[-1][:2] == ("PUT", "/v1.0/card/streaming")
    assert cards.body == {
        "outTrackId": "dd-1",
        "guid": "g1",
        "key": "content",
        "content": "你好",
        "isFull": True,
        "isFinalize": True,
        "isError": False,
    }


async def test_a_card_that_is_not_shown_is_rejected_although_the_status_is_200(
    cards: Cards,
) -> None:
    result = {"deliverResults": [{"success": False, "errorMsg": "spaceId is illegal: cidAAA=="}]}
    cards.responses = [(200, {"success": True, "result": result})]

    outcome = await cards.api.create(new_card())

    assert isinstance(outcome, Rejected)
    assert "cidAAA" not in outcome.reason


async def test_a_card_that_is_there_already_is_no_failure(cards: Cards) -> None:
    cards.responses = [(400, {"code": "cardAlreadyExist", "message": "x"})]

    assert await cards.api.create(new_card()) == Delivered()


async def test_too_many_calls_in_a_second_are_told_from_other_failures(cards: Cards) -> None:
    code = "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"
    cards.responses = [(403, {"code": code})]

    outcome = await cards.api.update("dd-1", {"status": "x"})

    assert isinstance(outcome, Retry)
    assert (outcome.kind, outcome.retry_after_s) == (FailureKind.QPS, 2.0)


@pytest.mark.parametrize(
    ("status", "code"),
    [(HTTPStatus.INTERNAL_SERVER_ERROR, "system.busy"), (HTTPStatus.BAD_GATEWAY, "")],
)
async def test_a_call_that_may_have_been_carried_out_is_repeated(
    status: int, code: str, cards: Cards
) -> None:
    cards.responses = [(status, {"code": code})]

    outcome = await cards.api.create(new_card())

    assert isinstance(outcome, Retry)
    assert outcome.kind is FailureKind.BUSY


async def test_a_page_of_a_proxy_is_no_refusal(cards: Cards) -> None:
    cards.responses = [(HTTPStatus.FORBIDDEN, "<p>Sign in</p>")]

    assert isinstance(await cards.api.create(new_card()), Retry)


@pytest.mark.parametrize(
    "code",
    ["cardNotExist", "templateNotExist", "Forbidden.AccessDenied.AccessTokenPermissionDenied"],
)
async def test_what_never_will_be_accepted_is_rejected_with_its_code_alone(
    code: str, cards: Cards
) -> None:
    cards.responses = [(400, {"code": code, "message": "outTrackId dd-1 of 张三"})]

    outcome = await cards.api.update("dd-1", {"status": "x"})

    assert isinstance(outcome, Rejected)
    assert code in outcome.reason
    assert "张三" not in outcome.reason


async def test_content_that_is_refused_is_told_from_a_refused_card(cards: Cards) -> None:
    cards.responses = [(400, {"code": "contentUnsafe"})]

    outcome = await cards.api.create(new_card())

    assert isinstance(outcome, Rejected)
    assert outcome.content_rejected


async def test_a_token_that_has_expired_is_replaced_once(cards: Cards) -> None:
    cards.responses = [(400, {"code": "InvalidAuthentication"})]

    assert await cards.api.update("dd-1", {"status": "x"}) == Delivered()
    assert cards.tokens == 2


async def test_a_token_that_stays_unknown_is_tried_again_later(cards: Cards) -> None:
    cards.responses = [(400, {"code": "InvalidAuthentication"})] * 2

    outcome = await cards.api.update("dd-1", {"status": "x"})

    assert isinstance(outcome, Retry)
    assert outcome.kind is FailureKind.TOKEN
