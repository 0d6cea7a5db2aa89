import json
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_faults import OpenFault, StreamFaults
from dingda.simulator.http.stream import OPEN_PATH, stream_routes
from tests.support.simulator_harness import SIMULATOR_URL
from tests.support.stream_harness import a_stream, opening

JSON = {"accept": "application/json"}


@pytest.fixture
def stream() -> Stream:
    return a_stream()


@pytest.fixture
async def http(stream: Stream) -> AsyncIterator[httpx.AsyncClient]:
    routes = stream_routes(stream, base_url="https://dingtalk.test:8100", changes=ChangeNotifier())
    transport = httpx.ASGITransport(Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url=SIMULATOR_URL) as client:
        yield client


async def test_who_knows_the_secret_is_told_where_to_connect(http: httpx.AsyncClient) -> None:
    response = await http.post(OPEN_PATH, json=opening(), headers=JSON)
    assert response.status_code == 200
    answer = response.json()
    assert answer["endpoint"] == "wss://dingtalk.test:8100/connect"
    assert set(answer) == {"endpoint", "ticket"}


async def test_a_client_that_does_not_ask_for_json_gets_xml(http: httpx.AsyncClient) -> None:
    response = await http.post(OPEN_PATH, json=opening())
    assert response.headers["content-type"] == "application/xml"
    assert "<endpoint>wss://dingtalk.test:8100/connect</endpoint><ticket>" in response.text


async def test_an_error_has_dingtalks_form(http: httpx.AsyncClient) -> None:
    response = await http.post(OPEN_PATH, json=opening(secret="wrong"), headers=JSON)
    assert response.status_code == 401
    error = response.json()
    assert error.pop("requestid")
    assert error == {"code": "authFailed", "message": "鉴权失败"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000])
async def test_a_body_that_is_no_object_is_missing(http: httpx.AsyncClient, body: bytes) -> None:
    headers = JSON | {"content-type": "application/json"}
    response = await http.post(OPEN_PATH, content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "Missingbody")


async def test_a_form_is_no_body(http: httpx.AsyncClient) -> None:
    headers = JSON | {"content-type": "text/plain"}
    response = await http.post(OPEN_PATH, content=json.dumps(opening()), headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "Missingbody")


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (OpenFault.UNAUTHORIZED, 401),
        (OpenFault.BAD_REQUEST, 400),
        (OpenFault.QUOTA, 403),
        (OpenFault.UNAVAILABLE, 503),
    ],
)
async def test_a_fault_answers_with_its_status(
    http: httpx.AsyncClient, stream: Stream, fault: OpenFault, status: int
) -> None:
    stream.faults = StreamFaults(open=fault)
    response = await http.post(OPEN_PATH, json=opening(), headers=JSON)
    assert response.status_code == status
    assert set(response.json()) == {"requestid", "code", "message"}


async def test_a_proxys_page_comes_with_the_status_200(
    http: httpx.AsyncClient, stream: Stream
) -> None:
    stream.faults = StreamFaults(open=OpenFault.HTML)
    response = await http.post(OPEN_PATH, json=opening(), headers=JSON)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
