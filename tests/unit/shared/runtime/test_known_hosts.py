import httpx
import pytest
from starlette.responses import PlainTextResponse

from dingda.shared.runtime.known_hosts import KnownHosts

app = KnownHosts(PlainTextResponse("hello"), hosts={"127.0.0.1", "::1", "localhost"})


async def status_for(host: str) -> int:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return (await client.get("/", headers={"host": host})).status_code


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8100", "LOCALHOST:8100", "[::1]:8100"])
async def test_its_own_names_are_answered_with_any_port(host: str) -> None:
    assert await status_for(host) == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "[::1"]
)
async def test_any_other_name_is_refused(host: str) -> None:
    assert await status_for(host) == 421
