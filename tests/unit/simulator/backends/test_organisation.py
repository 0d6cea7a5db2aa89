"""The simulated organisation: its address book, and private messages in single chats."""

from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
from starlette.applications import Starlette

from dingda.shared.dingtalk.robots import Robot
from dingda.simulator.backends.organisation import (
    APP_KEY,
    NAMESAKE,
    NAMESAKES,
    SimulatedOrganisation,
    create_openapi,
)
from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.members import Member, Organisation
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage


class OrganisationHarness:
    """The OpenAPI, and what the chat shows."""

    def __init__(self, robot: Robot = Robot("", secrets=("s",))) -> None:  # noqa: B008 - a value
        self.dingtalk = Simulation(robots=[robot], public_url="http://127.0.0.1", now_ms=lambda: 7)
        self.people = SimulatedOrganisation(self.dingtalk.records)
        openapi = create_openapi(self.people, self.dingtalk, ChangeNotifier(), robot)
        transport = httpx.ASGITransport(Starlette(routes=openapi.routes()))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://openapi")

    async def token(self, secret: str = "s", app_key: str = APP_KEY) -> httpx.Response:
        app = {"appKey": app_key, "appSecret": secret}
        return await self.client.post("/v1.0/oauth2/accessToken", json=app)

    async def call(self, path: str, fields: Mapping[str, object]) -> dict[str, object]:
        token = (await self.token()).json()["accessToken"]
        response = await self.client.post(
            path,
            json=dict(fields),
            params={"access_token": token},
            headers={"x-acs-dingtalk-access-token": token},
        )
        found: dict[str, object] = response.json()
        return found


@pytest.fixture
async def organisation() -> AsyncIterator[OrganisationHarness]:
    organisation = OrganisationHarness()
    async with organisation.client:
        yield organisation


async def test_it_knows_the_app_key_that_the_bot_has() -> None:
    organisation = OrganisationHarness(Robot("dingown", app_key="dingown", secrets=("s",)))
    async with organisation.client:
        assert (await organisation.token(app_key="dingown")).status_code == 200
        assert (await organisation.token()).json()["code"] == "invalidClientIdOrSecret"


async def test_the_bots_own_secret_opens_it_and_no_other(organisation: OrganisationHarness) -> None:
    assert (await organisation.token()).status_code == 200
    assert (await organisation.token("other")).json()["code"] == "invalidClientIdOrSecret"


async def test_a_form_is_no_body(organisation: OrganisationHarness) -> None:
    response = await organisation.client.post("/v1.0/oauth2/accessToken", data={"appKey": APP_KEY})
    assert response.json()["code"] == "Missingbody"


async def test_the_people_of_the_page_have_a_manager_among_them(
    organisation: OrganisationHarness,
) -> None:
    response = await organisation.call("/topapi/v2/user/get", {"userid": staff_id_of("张三")})
    result = response["result"]
    assert isinstance(result, dict)
    assert (result["name"], result["manager_userid"]) == ("张三", staff_id_of("王五"))


async def test_a_private_message_is_shown_in_the_persons_single_chat(
    organisation: OrganisationHarness,
) -> None:
    message = {
        "robotCode": APP_KEY,
        "userIds": [staff_id_of("李四"), "stranger"],
        "msgKey": "sampleMarkdown",
        "msgParam": '{"title": "题", "text": "文"}',
    }
    response = await organisation.call("/v1.0/robot/oToMessages/batchSend", message)
    assert response["invalidStaffIdList"] == ["stranger"]
    (record,) = organisation.dingtalk.records.since(0)
    assert (record.said.sender, record.said.single, record.prompted) == ("李四", True, False)
    (reply,) = record.shown
    assert reply.payload == {"msgtype": "markdown", "markdown": {"title": "题", "text": "文"}}


async def test_a_sender_is_a_member_too_without_a_manager(
    organisation: OrganisationHarness,
) -> None:
    query = {"queryWord": "赵六", "offset": 0, "size": 20, "fullMatchField": 1}
    assert (await organisation.call("/v1.0/contact/users/search", query))["list"] == []
    organisation.dingtalk.send(UserMessage("你好", sender="赵六"))
    assert (await organisation.call("/v1.0/contact/users/search", query))["list"] == [
        staff_id_of("赵六")
    ]
    response = await organisation.call("/topapi/v2/user/get", {"userid": staff_id_of("赵六")})
    assert isinstance(response["result"], dict)
    assert "manager_userid" not in response["result"]


async def test_two_people_share_a_name_and_differ_in_the_rest(
    organisation: OrganisationHarness,
) -> None:
    query = {"queryWord": NAMESAKE, "offset": 0, "size": 20, "fullMatchField": 1}
    found = (await organisation.call("/v1.0/contact/users/search", query))["list"]
    assert found == list(NAMESAKES)
    titles = set()
    for userid in NAMESAKES:
        result = (await organisation.call("/topapi/v2/user/get", {"userid": userid}))["result"]
        assert isinstance(result, dict)
        (dept_id,) = result["dept_id_list"]
        department = (await organisation.call("/topapi/v2/department/get", {"dept_id": dept_id}))[
            "result"
        ]
        assert isinstance(department, dict)
        titles.add((department["name"], result["title"]))
    assert titles == {("技术部", "测试工程师"), ("市场部", "设计师")}


async def test_an_external_sender_is_no_member(organisation: OrganisationHarness) -> None:
    organisation.dingtalk.send(UserMessage("你好", sender="赵六", external=True))
    query = {"queryWord": "赵六", "offset": 0, "size": 20, "fullMatchField": 1}
    assert (await organisation.call("/v1.0/contact/users/search", query))["list"] == []


async def test_it_can_be_chosen_with_departments_and_managers_by_name(
    organisation: OrganisationHarness,
) -> None:
    organisation.people.chosen = Organisation(
        (
            Member("赵六", "会计", "财务部", manager="钱七"),
            Member("钱七", "财务总监", "财务部", staff_id="cfo"),
        )
    )
    answer = await organisation.call("/topapi/v2/user/get", {"userid": staff_id_of("赵六")})
    found = answer["result"]
    assert isinstance(found, dict)
    assert (found["name"], found["title"], found["manager_userid"]) == ("赵六", "会计", "cfo")
    (department,) = found["dept_id_list"]
    answer = await organisation.call("/topapi/v2/department/get", {"dept_id": department})
    assert isinstance(answer["result"], dict)
    assert answer["result"]["name"] == "财务部"


async def test_people_who_are_not_chosen_are_unknown_until_they_write(
    organisation: OrganisationHarness,
) -> None:
    organisation.people.chosen = Organisation(())
    query = {"userid": staff_id_of("张三")}
    assert (await organisation.call("/topapi/v2/user/get", query))["errcode"] == 60121
    organisation.dingtalk.send(UserMessage("在吗", sender="张三"))
    assert (await organisation.call("/topapi/v2/user/get", query))["errcode"] == 0
