"""The simulated OpenAPI limits calls, and can be disturbed."""

import httpx
import pytest

from dingda.simulator.backends.open_platform import OpenPlatform
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFault, OpenAPIFaults
from dingda.simulator.dingtalk.openapi_usage import OpenAPIUsage
from tests.support.open_platform_caller import CREATE, STREAMING, PlatformCaller, a_card, a_frame

QPS = "Forbidden.AccessDenied.QpsLimitForApi"


class StandingClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock_s(platform: OpenPlatform) -> StandingClock:
    clock = StandingClock()
    platform.openapi.usage = OpenAPIUsage(qps=2, monthly_calls=5, now_s=clock)
    return clock


async def codes(caller: PlatformCaller, count: int) -> list[str]:
    answers = [await caller.call("POST", CREATE, a_card()) for _ in range(count)]
    return [answer.json().get("code", "") for answer in answers]


async def test_one_call_too_many_in_a_second_is_refused_and_does_not_count(
    caller: PlatformCaller, platform: OpenPlatform, clock_s: StandingClock
) -> None:
    assert await codes(caller, 3) == ["", "", QPS]
    assert (platform.openapi.state.calls, platform.openapi.state.refused) == (2, 1)
    clock_s.now_s += 1
    assert await codes(caller, 1) == [""]


@pytest.mark.usefixtures("clock_s")
async def test_each_api_has_a_second_of_its_own(caller: PlatformCaller) -> None:
    assert await codes(caller, 3) == ["", "", QPS]
    assert (await caller.put(STREAMING, a_frame("一")))["code"] != QPS


async def test_the_months_calls_are_used_up_at_last(
    caller: PlatformCaller, platform: OpenPlatform, clock_s: StandingClock
) -> None:
    for _ in range(5):
        clock_s.now_s += 1
        assert await codes(caller, 1) == [""]
    clock_s.now_s += 1
    assert await codes(caller, 1) == ["Forbidden.AccessDenied.ApiCountLimitForOrg"]
    assert platform.openapi.state.calls == 5


async def test_tokens_count_nowhere(caller: PlatformCaller, platform: OpenPlatform) -> None:
    for _ in range(9):
        await caller.token()
    assert platform.openapi.state.calls == 0


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (OpenAPIFault.QPS, 403, QPS),
        (OpenAPIFault.QUOTA, 403, "Forbidden.AccessDenied.ApiCountLimitForOrg"),
        (OpenAPIFault.FORBIDDEN, 403, "Forbidden.AccessDenied.AccessTokenPermissionDenied"),
        (OpenAPIFault.UNAUTHORIZED, 400, "InvalidAuthentication"),
        (OpenAPIFault.FAIL, 500, "system.busy"),
        (OpenAPIFault.CONTENT, 400, "contentUnsafe"),
        (OpenAPIFault.TEMPLATE, 400, "templateNotExist"),
    ],
)
async def test_a_refusal_that_is_injected_does_nothing_else(
    caller: PlatformCaller, platform: OpenPlatform, fault: OpenAPIFault, status: int, code: str
) -> None:
    platform.openapi.injected = OpenAPIFaults(fault)
    answer = await caller.call("POST", CREATE, a_card())
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert platform.cards.since(0) == []


async def test_a_card_may_be_created_and_not_delivered(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    platform.openapi.injected = OpenAPIFaults(OpenAPIFault.UNDELIVERED)
    answer = await caller.post(CREATE, a_card())
    assert [each["success"] for each in answer["result"]["deliverResults"]] == [False]
    (card,) = platform.cards.since(0)
    assert card.spaces == ()


async def test_a_fault_may_hit_some_apis_and_so_many_calls(
    caller: PlatformCaller, platform: OpenPlatform
) -> None:
    platform.openapi.injected = OpenAPIFaults(OpenAPIFault.QPS, apis=(CREATE,), count=1)
    assert (await caller.put(STREAMING, a_frame("一")))["code"] == "param.stream.outTrackId"
    assert await codes(caller, 2) == [QPS, ""]


async def test_faults_are_chosen_and_told_by_the_api(
    http: httpx.AsyncClient, platform: OpenPlatform
) -> None:
    faults = {"fault": "lost", "apis": ["/v1.0/card/"], "count": 2}
    assert (await http.put("/api/openapi/faults", json=faults)).json() == faults
    assert (await http.get("/api/openapi/faults")).json() == faults
    assert (await http.get("/api/openapi")).json()["faults"] == faults
    assert platform.openapi.injected.fault is OpenAPIFault.LOST


async def test_an_unknown_fault_is_refused(http: httpx.AsyncClient) -> None:
    assert (await http.put("/api/openapi/faults", json={"fault": "rain"})).status_code == 400


async def test_calls_are_told_by_api(caller: PlatformCaller, http: httpx.AsyncClient) -> None:
    await caller.post(CREATE, a_card())
    state = (await http.get("/api/openapi")).json()
    assert state["by_api"] == {CREATE: 1}
