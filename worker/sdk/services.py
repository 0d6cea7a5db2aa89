"""The services a skill may use: HTTP, a cache, databases, DingTalk's address book and media."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic_settings import BaseSettings

from dingda.worker.services.address_book import AddressBook
from dingda.worker.services.cache import Cache
from dingda.worker.services.database import Databases
from dingda.worker.services.http_client import Http
from dingda.worker.services.media import Media
from dingda.worker.services.pusher import Pusher


@dataclass(frozen=True, slots=True)
class Services:
    """The services that all messages of one worker process share: the type of `Context.services`.

    >>> async def rate(services: Services, currency: str) -> float:
    ...     url = f"https://rates.example/{currency}"
    ...     return (await services.http.json("汇率", "GET", url)).data["rate"]
    >>> @skill.command("汇率")
    ... async def rates(currency: str, ctx: Context) -> str:
    ...     return str(await rate(ctx.services, currency))
    >>> fake = httpx.MockTransport(lambda request: httpx.Response(200, json={"rate": 7.1}))
    >>> asyncio.run(ask(skill, "汇率 USD", transport=fake)).content
    '7.1'
    """

    http: Http
    cache: Cache
    databases: Databases
    dingtalk: AddressBook | None
    """DingTalk's address book; None unless `DINGDA_APP_KEY` and the secret are set, or those of the
    robot that was spoken to in `DINGDA_ROBOTS`."""
    pusher: Pusher | None = None
    """What `ctx.push` speaks through; None in a test that gives none."""
    settings: Mapping[type[BaseSettings], BaseSettings] = field(default_factory=dict)
    """The settings that skills declare, read once at the start."""
    media: Media | None = None
    """Pictures and files, for `ctx.download` and `ctx.upload`; None where `dingtalk` is."""
