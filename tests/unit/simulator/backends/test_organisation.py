"""The simulated organisation: its address book, and private messages in single chats."""

from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
from starlette.applications import Starlette

from dingda.simulator.backends.organisation import APP_KEY, NAMESAKE, NAMESAKES, create_openapi
from dingda.simulator.dingtalk.callback import UserMessage, staff_id_of
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation


class Organisation:
    """The OpenAPI, and what the chat shows."""

    def __init__(self) -> None:
        self.dingtalk = Simulation(secret="s", public_url="http://127.0.0.1", now_ms=lambda: 7)
        openapi = create_openapi(self.dingtalk, ChangeNotifier(), app_secret="s")
        transport = httpx.ASGITransport(Starlette(routes=openapi.routes()))
        self.client = httpx.AsyncClient(transport=transport, base_url="http://openapi")

    async def token(self, secret: str = "s") -> httpx.Response:
        app = {"appKey": APP_KEY, "appSecret": secret}
        return await self.client.post("/v1.0/oauth2/accessToken", json=app)

    async def call(self, path: str, fields: Mapping[str, object]) -> dict[str, object]:
        token = (await self.token()).json()["accessToken"]
        answer = await self.client.post(
            path,
            json=dict(fields),
            params={"access_token": token},
            headers={"x-acs-dingtalk-access-token": token},
        )
        found: dict[str, object] = answer.json()
        return found


@pytest.fixture
async def here() -> AsyncIterator[Organisation]:
    organisation = Organisation()
    async with organisation.client:
        yield organisation


async def test_the_bots_own_secret_opens_it_and_no_other(here: Organisation) -> None:
    assert (await here.token()).status_code == 200
    assert (await here.token("other")).json()["code"] == "invalidClientIdOrSecret"


async def test_a_form_is_no_body(here: Organisation) -> None:
    answer = await here.client.post("/v1.0/oauth2/accessToken", data={"appKey": APP_KEY})
    assert answer.json()["code"] == "Missingbody"


async def test_the_people_of_the_page_have_a_manager_among_them(here: Organisation) -> None:
    answer = await here.call("/topapi/v2/user/get", {"userid": staff_id_of("张三")})
    result = answer["result"]
    assert isinstance(result, dict)
    assert (result["name"], result["manager_userid"]) == ("张三", staff_id_of("王五"))


async def test_a_private_message_is_shown_in_the_persons_single_chat(here: Organisation) -> None:
    letter = {
        "robotCode": APP_KEY,
        "userIds": [staff_id_of("李四"), "stranger"],
        "msgKey": "sampleMarkdown",
        "msgParam": '{"title": "题", "text": "文"}',
    }
    answer = await here.call("/v1.0/robot/oToMessages/batchSend", letter)
    assert answer["invalidStaffIdList"] == ["stranger"]
    (record,) = here.dingtalk.records.since(0)
    assert (record.said.sender, record.said.single, record.prompted) == ("李四", True, False)
    (reply,) = record.shown
    assert reply.payload == {"msgtype": "markdown", "markdown": {"title": "题", "text": "文"}}


async def test_who_speaks_works_there_too_with_no_manager(here: Organisation) -> None:
    query = {"queryWord": "赵六", "offset": 0, "size": 20, "fullMatchField": 1}
    assert (await here.call("/v1.0/contact/users/search", query))["list"] == []
    here.dingtalk.send(UserMessage("你好", sender="赵六"))
    assert (await here.call("/v1.0/contact/users/search", query))["list"] == [staff_id_of("赵六")]
    answer = await here.call("/topapi/v2/user/get", {"userid": staff_id_of("赵六")})
    assert isinstance(answer["result"], dict)
    assert "manager_userid" not in answer["result"]


async def test_two_people_have_one_name_and_are_told_apart(here: Organisation) -> None:
    query = {"queryWord": NAMESAKE, "offset": 0, "size": 20, "fullMatchField": 1}
    found = (await here.call("/v1.0/contact/users/search", query))["list"]
    assert found == list(NAMESAKES)
    titles = set()
    for userid in NAMESAKES:
        result = (await here.call("/topapi/v2/user/get", {"userid": userid}))["result"]
        assert isinstance(result, dict)
        (dept_id,) = result["dept_id_list"]
        department = (await here.call("/topapi/v2/department/get", {"dept_id": dept_id}))["result"]
        assert isinstance(department, dict)
        titles.add((department["name"], result["title"]))
    assert titles == {("技术部", "测试工程师"), ("市场部", "设计师")}


async def test_whoever_speaks_from_elsewhere_is_no_member(here: Organisation) -> None:
    here.dingtalk.send(UserMessage("你好", sender="赵六", external=True))
    query = {"queryWord": "赵六", "offset": 0, "size": 20, "fullMatchField": 1}
    assert (await here.call("/v1.0/contact/users/search", query))["list"] == []
