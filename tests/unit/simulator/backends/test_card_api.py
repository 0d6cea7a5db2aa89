"""The simulated APIs of cards behave as DingTalk's pages and their callers say."""

import json
from typing import Any

import pytest

from dingda.simulator.backends.open_platform import OpenPlatform
from dingda.simulator.backends.openapi_access import STREAM_CARD, WRITE_CARD
from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.dingtalk.callback import GROUP_ID, staff_id_of
from dingda.simulator.dingtalk.card import Card, CardProblem, CardState
from dingda.simulator.dingtalk.card_templates import FOREIGN_TEMPLATE
from dingda.simulator.dingtalk.simulation import Simulation
from tests.support.open_platform_caller import (
    CREATE,
    INSTANCES,
    REGISTER,
    STREAMING,
    PlatformCaller,
    a_card,
    a_frame,
    an_answer,
)

MANAGER = staff_id_of("王五")


def the_card(platform: OpenPlatform) -> Card:
    card = platform.cards.find("card-1")
    assert card is not None
    return card


async def test_a_card_in_the_group_is_created_and_shown(
    caller: PlatformCaller, platform: OpenPlatform, dingtalk: Simulation
) -> None:
    answer = await caller.post(CREATE, a_card())
    (delivered,) = answer["result"]["deliverResults"]
    assert (answer["result"]["outTrackId"], delivered["success"]) == ("card-1", True)
    (record,) = dingtalk.records.since(0)
    assert (record.card, record.said.single, record.prompted) == ("card-1", False, False)
    (space,) = the_card(platform).spaces
    assert (space.record_id, space.carrier_id) == (record.msg_id, delivered["carrierId"])


async def test_a_card_for_a_person_is_shown_in_the_single_chat(
    caller: PlatformCaller, dingtalk: Simulation
) -> None:
    single: dict[str, Any] = {
        "openSpaceId": f"dtv1.card//IM_ROBOT.{MANAGER}",
        "imRobotOpenSpaceModel": {"supportForward": True},
        "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT", "robotCode": APP_KEY},
    }
    await caller.post(CREATE, a_card(**single))
    (record,) = dingtalk.records.since(0)
    assert (record.said.sender, record.said.single) == ("王五", True)


async def test_a_card_can_be_created_first_and_delivered_later(
    caller: PlatformCaller, dingtalk: Simulation
) -> None:
    await caller.post(INSTANCES, a_card())
    assert dingtalk.records.since(0) == []
    answer = await caller.post(f"{INSTANCES}/deliver", a_card())
    assert [each["success"] for each in answer["result"]] == [True]
    assert [record.card for record in dingtalk.records.since(0)] == ["card-1"]


async def test_a_card_that_exists_keeps_its_data_and_is_shown_once(
    caller: PlatformCaller, platform: OpenPlatform, dingtalk: Simulation
) -> None:
    await caller.post(CREATE, a_card())
    other = a_card(cardData={"cardParamMap": {"title": "另一张"}})
    assert (await caller.post(CREATE, other))["success"] is True
    assert the_card(platform).views[""].title == "请假"
    assert [space.times for space in the_card(platform).spaces] == [2]
    assert len(dingtalk.records.since(0)) == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"outTrackId": ""}, "param.outTrackIdEmpty"),
        ({"cardTemplateId": None}, "param.cardTemplateIdEmpty"),
        ({"cardTemplateId": "no-such-template"}, "templateNotExist"),
        ({"cardData": None}, "param.cardPublicDataEmpty"),
        ({"cardData": {"cardParamMap": {"done": True}}}, "MissingStringValue"),
        ({"openSpaceId": ""}, "param.openSpaceIdEmpty"),
        ({"openSpaceId": GROUP_ID}, "param.openSpaceIdInvalid"),
        ({"imGroupOpenSpaceModel": {}}, "param.openSpaceModelEmpty"),
        ({"imGroupOpenDeliverModel": {}}, "param.spaceDeliverModelEmpty"),
        ({"imGroupOpenDeliverModel": {"recipients": []}}, "param.openDeliverModelEmpty"),
    ],
)
async def test_what_is_wrong_with_a_creation_is_named(
    caller: PlatformCaller, platform: OpenPlatform, fields: dict[str, Any], code: str
) -> None:
    answer = await caller.call("POST", CREATE, a_card(**fields))
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert platform.cards.since(0) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"openSpaceId": "dtv1.card//IM_GROUP.cidOfAnother"},
        {"imGroupOpenDeliverModel": {"robotCode": "another"}},
    ],
)
async def test_a_space_that_is_none_of_the_robots_is_told_within_a_200(
    caller: PlatformCaller, dingtalk: Simulation, fields: dict[str, Any]
) -> None:
    answer = await caller.call("POST", CREATE, a_card(**fields))
    (delivered,) = answer.json()["result"]["deliverResults"]
    assert (answer.status_code, delivered["success"]) == (200, False)
    assert dingtalk.records.since(0) == []


async def test_a_card_by_another_applications_template_shows_that_it_cannot_be_loaded(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    assert (await caller.post(CREATE, a_card(cardTemplateId=FOREIGN_TEMPLATE)))["success"]
    assert the_card(platform).problem is CardProblem.FOREIGN_TEMPLATE


@pytest.mark.parametrize(("method", "path"), [("POST", CREATE), ("PUT", STREAMING)])
async def test_each_call_needs_its_permission(
    caller: PlatformCaller, platform: OpenPlatform, method: str, path: str
) -> None:
    platform.openapi.permissions -= {WRITE_CARD, STREAM_CARD}
    answer = await caller.call(method, path, a_card())
    scope = WRITE_CARD if path == CREATE else STREAM_CARD
    assert answer.status_code == 403
    assert answer.json()["accessdenieddetail"] == {"requiredScopes": [scope]}


async def test_an_update_by_key_leaves_the_other_variables(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    await caller.post(CREATE, a_card())
    await caller.update({"text": "周六"})
    view = the_card(platform).views[""]
    assert (view.title, view.text) == ("请假", "周六")


async def test_an_update_that_is_not_by_key_overwrites_everything(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    await caller.post(CREATE, a_card())
    await caller.update({"text": "周六"}, cardUpdateOptions={})
    assert the_card(platform).data == {"text": "周六"}


async def test_private_data_are_seen_by_one_person_and_win(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    await caller.post(CREATE, a_card())
    private = {MANAGER: {"cardParamMap": {"text": "您已同意"}}}
    await caller.update({"text": "周六"}, privateData=private)
    card = the_card(platform)
    assert (card.seen_by(MANAGER).text, card.seen_by("0001").text) == ("您已同意", "周六")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"outTrackId": "card-2"}, "cardNotExist"),
        ({"cardData": None}, "cardDataAndPrivateDataBothEmpty"),
    ],
)
async def test_what_is_wrong_with_an_update_is_named(
    caller: PlatformCaller, fields: dict[str, Any], code: str
) -> None:
    await caller.post(CREATE, a_card())
    answer = await caller.update({"text": "周六"}, **fields)
    assert answer["code"] == code


async def test_a_stream_goes_from_processing_through_typing_to_finished(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    states = []
    for method, path, body in (
        ("POST", CREATE, an_answer()),
        ("PUT", STREAMING, a_frame("# 一")),
        ("PUT", STREAMING, a_frame("# 一二", "2", isFinalize=True)),
    ):
        await caller.call(method, path, body)
        states.append(the_card(platform).state)
    assert states == [CardState.PROCESSING, CardState.TYPING, CardState.FINISHED]
    assert (the_card(platform).views[""].text, the_card(platform).frames) == ("# 一二", 2)


async def test_a_frame_may_end_in_failure(caller: PlatformCaller, platform: OpenPlatform) -> None:
    await caller.post(CREATE, an_answer())
    await caller.put(STREAMING, a_frame("中断", isFinalize=True, isError=True))
    assert the_card(platform).state is CardState.FAILED


@pytest.mark.parametrize(
    ("flow_status", "state"),
    [("1", "processing"), ("2", "typing"), ("3", "finished"), ("5", "failed")],
)
async def test_a_template_may_show_its_state_by_a_variable(
    caller: PlatformCaller, platform: OpenPlatform, flow_status: str, state: str
) -> None:
    await caller.post(CREATE, an_answer(flowStatus="1"))
    await caller.update({"flowStatus": flow_status})
    assert the_card(platform).state == state


async def test_a_frame_with_the_guid_of_the_latest_changes_nothing(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    await caller.post(CREATE, an_answer())
    await caller.put(STREAMING, a_frame("一"))
    assert (await caller.put(STREAMING, a_frame("二")))["success"] is True
    assert the_card(platform).views[""].text == "一"


async def test_a_frame_after_the_last_does_not_make_a_card_spin_again(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    await caller.post(CREATE, an_answer())
    await caller.put(STREAMING, a_frame("一", isFinalize=True))
    await caller.put(STREAMING, a_frame("二", "2"))
    assert the_card(platform).state is CardState.FINISHED


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"key": ""}, 400, "param.stream.keyEmpty"),
        ({"guid": ""}, 400, "param.stream.guidEmpty"),
        ({"content": None}, 400, "param.stream.contentEmpty"),
        ({"content": "长" * 20_001}, 400, "param.stream.content"),
        ({"outTrackId": "card-2"}, 400, "param.stream.outTrackId"),
        ({"isFull": False}, 400, "param.stream.isFull"),
        ({"key": "no-such-variable"}, 500, "unknownError"),
    ],
)
async def test_what_is_wrong_with_a_frame_is_named(
    caller: PlatformCaller, fields: dict[str, Any], status: int, code: str
) -> None:
    await caller.post(CREATE, an_answer())
    answer = await caller.call("PUT", STREAMING, a_frame("一") | fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_card_without_a_streaming_component_takes_no_frame(caller: PlatformCaller) -> None:
    await caller.post(CREATE, a_card())
    answer = await caller.call("PUT", STREAMING, a_frame("一", key="text"))
    assert (answer.status_code, answer.json()["code"]) == (500, "unknownError")


async def test_a_text_longer_than_clients_draw_leaves_the_card_blank(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    await caller.post(CREATE, an_answer())
    assert (await caller.put(STREAMING, a_frame("长" * 3001)))["success"] is True
    assert the_card(platform).problem is CardProblem.BLANK
    await caller.put(STREAMING, a_frame("长" * 3000, "2"))
    assert the_card(platform).problem is None


async def test_another_url_for_a_registered_key_needs_force(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    route = {"callbackRouteKey": "dingda", "callbackUrl": "https://a.test/card", "apiSecret": "s"}
    assert (await caller.post(REGISTER, route))["success"] is True
    again = await caller.post(REGISTER, {**route, "callbackUrl": "https://b.test/card"})
    assert again["code"] == "callbackRouteKeyExist"
    await caller.post(REGISTER, {**route, "callbackUrl": "https://b.test/", "forceUpdate": True})
    assert platform.card_api.callback_routes["dingda"].url == "https://b.test/"


async def test_a_button_that_opens_a_link_asks_nobody(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    link = {"text": "查看", "event": {"type": "openLink", "params": {"url": "https://a.test"}}}
    await caller.post(CREATE, a_card(cardData={"cardParamMap": {"buttons": json.dumps([link])}}))
    (button,) = the_card(platform).views[""].buttons
    assert (button.url, button.action_id) == ("https://a.test", "")


@pytest.mark.parametrize("buttons", ["{", '"text"', "[1]", "[" * 100_000])
async def test_buttons_that_are_no_list_of_objects_are_not_drawn(
    caller: PlatformCaller, platform: OpenPlatform, buttons: str
) -> None:
    await caller.post(CREATE, a_card(cardData={"cardParamMap": {"buttons": buttons}}))
    assert the_card(platform).views[""].buttons == ()


async def test_a_card_that_is_decided_shows_its_result_and_no_buttons(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    await caller.post(CREATE, a_card())
    await caller.update({"status": "decided", "result": "王五 同意了"})
    view = the_card(platform).views[""]
    assert (view.text, view.buttons, view.others) == ("周五\n\n王五 同意了", (), {})
