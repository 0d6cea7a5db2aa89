"""The worker's half of `make fuzz`: texts that people might type, responses of backends.

Texts go through routing, slots and all shipped skills. Backends are the simulator's, behind a
transport that damages what they answer; so is DingTalk. Whatever comes, nothing may be raised but
what is declared, no skill may fail for a reason of its own, and no step may keep the loop.
"""

import json
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import stamina
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse

from dingda.shared.dingtalk.markdown import plain
from dingda.shared.dingtalk.message import Mention
from dingda.shared.dingtalk.reply import Markdown, Text, to_body
from dingda.shared.runtime.logs import redact
from dingda.shared.runtime.skill_modules import SHIPPED, SHOWCASE
from dingda.simulator.backends.amap import FakeAMap
from dingda.simulator.backends.dingtalk_openapi import FakeOpenAPI, Person
from dingda.simulator.backends.hr import create_hr
from dingda.simulator.backends.open_meteo import FakeOpenMeteo
from dingda.simulator.backends.qweather import FakeQWeather
from dingda.simulator.backends.taobao import FakeTaobao
from dingda.simulator.testing.sample import a_message
from dingda.testing import MemoryCache
from dingda.worker.answering.help import help_skill
from dingda.worker.answering.responder import Responder
from dingda.worker.answering.response import Response
from dingda.worker.answering.routing import Router
from dingda.worker.delivery import transport
from dingda.worker.delivery.outcome import Delivered, Rejected, Retry, Unknown
from dingda.worker.delivery.private import PrivateChannel, to_private_body
from dingda.worker.delivery.robot_api import RobotApi
from dingda.worker.delivery.webhook import WebhookChannel
from dingda.worker.errors import SkillError
from dingda.worker.language.text import MAX_CHARS, clean, fold, is_traditional
from dingda.worker.sdk.loader import load_skill_settings, load_skills
from dingda.worker.sdk.services import Services
from dingda.worker.services.access_token import AccessToken
from dingda.worker.services.contacts import Contacts
from dingda.worker.services.database import Databases
from dingda.worker.services.http_client import Http
from dingda.worker.services.openapi import OpenAPI
from dingda.worker.skills.coupons import CouponSettings
from dingda.worker.skills.performance import PerformanceSettings, name_in
from dingda.worker.skills.weather import WeatherSettings

ROOT = Path(__file__).parents[1]
NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
TEXT_S, REPLY_S = 0.02, 0.1
"""CPU time that a text may take, and a whole reply with what the backends take, in seconds."""
_TRIES = 3
_LONGEST = 64 * 1024
_BUGS = (" in the skill", "invalid reply", "took too long")
_ORIGIN = "https://oapi.dingtalk.com:443"
_OPENAPI, _OAPI = "https://api.dingtalk.com", "https://oapi.dingtalk.com"

_PIECES = (
    *(
        "天气",
        "绩效",
        "优惠券",
        "帮助",
        "text",
        "/",
        "@钉答",
        "@",
        "a@b.com",
        "北京",
        "臺北",
        "朝阳",
    ),
    *("san francisco", "明天", "下下周日", "12月31日", "2026-02-30", "未来99天", "去年", "Q3"),
    *("十三月", "上个季度", "张三", "怎么样", "出来了吗", "200元以内", "100-200", "一千五", "¥"),
    *(
        "https://m.tb.cn/h.x",
        "「标题」",
        "【淘宝】",
        "的",
        "，",
        "。",
        "ß",
        "İ",
        "٣",
        "½",
        "Ⅷ",
        "-1",
    ),
    *(" ", "\n", "\u3000", "\u200b", "\u202e", "\u0301", "\ufdfa", "\U0001f468\u200d"),
    *("9" * 40, "1.5e999", "\x00", "\ud800"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1e308, float("inf"), float("nan"), 10**400, -(10**18)),
    *("", " ", "²", "٣", "1e999999999", "-1e-999999999", "NaN", "Infinity", "9" * 5000),
    *("\ud800", "\x00\n\r", "a" * 3000, "北京" * 1000, "//x", "javascript:x", "](x)"),
    *("2026-13-45", "9999-12-31 23:59:59", "0001-01-01", "0001-01-01T00:00+00:00"),
    *([], {}, [[]], [None], {"a": {}}, {"value": "x"}, [1] * 100),
)
_STATUSES = (200, 200, 200, 204, 302, 400, 401, 403, 404, 429, 500, 502, 503)
_RETRY_AFTERS = ("0", "-1", "1e9", "9" * 5000, "nan", "Wed, 21 Oct 2015 07:28:00 GMT", "nonsense")


@dataclass
class Findings:
    """What was tried, and what went wrong."""

    tried: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, what: str, detail: object) -> None:
        """Note something that went wrong."""
        self.wrong.append(f"{what}: {detail!s:.500}")


async def fuzz_worker(seed: int, *, until: Callable[[Findings], bool]) -> Findings:
    """Try texts and responses until it is enough.

    Args:
        seed: makes the same texts and answers again.
        until: whether what was tried is enough; asked after each round.
    """
    dice = random.Random(seed)  # noqa: S311 - repeatable, not secret
    findings = Findings()
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            ThreadPoolExecutor(1) as threads,
            stamina.set_testing(True, attempts=2, cap=True),
        ):
            bot = _Bot(dice, threads)
            await bot.reply("天气 北京")  # what is read once is read now
            while not until(findings):
                text = _text(dice)
                _try_text(findings, bot, text)
                await _try_reply(findings, bot, text)
                await _try_delivery(findings, bot)
    finally:
        logging.disable(disabled)
    return findings


# Texts -----------------------------------------------------------------------------------------


def _corpus() -> list[str]:
    lines = (ROOT / "tests/unit/worker/language/phrases.txt").read_text("utf-8").splitlines()
    return [line.split("\t")[1].removeprefix("!") for line in lines if line and line[0] != "#"]


_PHRASES = _corpus()


def _text(dice: random.Random) -> str:
    """A phrase of the corpus with pieces put in, taken out, doubled or repeated."""
    text = dice.choice([dice.choice(_PHRASES), "".join(dice.choices(_PIECES, k=4))])
    for _ in range(dice.randint(0, 6)):
        at, to = sorted(dice.choices(range(len(text) + 1), k=2))
        piece = dice.choice(
            [dice.choice(_PIECES), dice.choice(_PHRASES), chr(dice.randrange(0x3400))]
        )
        text = dice.choice(
            [
                text[:at] + piece + text[at:],
                text[:at] + text[to:],
                text[:at] + piece + text[to:],
                text[:to] + text[at:to] + text[to:],
                text[:at] + piece * dice.choice([2, 30, MAX_CHARS, _LONGEST]) + text[to:],
            ]
        )[:_LONGEST]
    return text


def _try_text(findings: Findings, bot: "_Bot", text: str) -> None:
    for read in (
        bot.bind,
        bot.router.similar,
        fold,
        clean,
        is_traditional,
        name_in,
    ):
        findings.tried["texts"] += 1
        best_s = float("inf")
        for _ in range(_TRIES):
            began_s = time.thread_time()
            try:
                read(text)
            except SkillError:
                pass
            except Exception as error:  # noqa: BLE001 - what this looks for
                findings.add(f"{read.__name__} {text[:200]!r}", repr(error))
                return
            best_s = min(best_s, time.thread_time() - began_s)
            if best_s <= TEXT_S:
                break
        else:
            findings.add(f"{read.__name__} {text[:200]!r}", f"{best_s * 1000:.0f} ms")


# The bot, and what it asks ---------------------------------------------------------------------


class _Bot:
    """All shipped skills, and backends whose responses are damaged."""

    def __init__(self, dice: random.Random, threads: ThreadPoolExecutor) -> None:
        self.dice = dice
        self._threads = threads
        self._skills = load_skills((*SHIPPED, SHOWCASE))
        self.router = Router([*self._skills, help_skill(self._skills)])
        self._backends = httpx.MockTransport(_Damage(dice).handle)
        self._settings = load_skill_settings(self._skills) | _settings()

    def bind(self, text: str) -> None:
        """Route a text and read its arguments."""
        redact(text)
        plain(clean(text))
        if route := self.router.route(text):
            route.command.signature.bind(
                route.arguments,
                usage=route.command.usage,
                ctx=None,
                now=NOW,
                settings=self._settings,
            )

    async def reply(self, text: str, *, group: bool = False) -> Response | None:
        """Answer a text as a worker that has just started does, with nothing remembered."""
        async with httpx.AsyncClient(transport=self._backends) as client:
            provider = self.dice.choice(["open-meteo", "qweather", "amap"])
            weather = self._settings[WeatherSettings].model_copy(
                update={"weather_providers": (provider,)}
            )
            services = Services(
                http=Http(client),
                cache=MemoryCache(),
                databases=Databases(),
                dingtalk=Contacts(
                    OpenAPI(Http(client), _token(client), url=_OPENAPI, oapi_url=_OAPI)
                ),
                settings={**self._settings, WeatherSettings: weather},
            )
            conversation = Responder(
                router=self.router,
                services=services,
                threads=self._threads,
                skill_timeout_s=30,
                unmatched="help",
                now=lambda: NOW,
            )
            message = a_message(conversationType="2" if group else "1", senderCorpId="dingcorp")
            mentions = () if self.dice.random() < 0.5 else (Mention("0002"),)  # noqa: PLR2004 - a half
            asked = replace(message, text=text, mentions=mentions)
            return await conversation.respond(asked, conversation.route(asked), timeout_s=60)

    async def post(self) -> object:
        """Post a reply to a session."""
        async with httpx.AsyncClient(transport=self._backends) as client:
            channel = WebhookChannel(_OverHTTPX(client), origins=(_ORIGIN,))
            body = to_body(Text("好"))
            return await channel.send(a_message(), body, before_send=_claim, timeout_s=60)

    async def post_privately(self) -> object:
        """Send a private reply."""
        async with httpx.AsyncClient(transport=self._backends) as client:
            robot = RobotApi(
                _OverHTTPX(client), _token(client), robot_code="robot", openapi_url=_OPENAPI
            )
            channel = PrivateChannel(robot)
            body = to_private_body(Markdown("标题", "好"))
            return await channel.send(a_message(), body, before_send=_claim, timeout_s=60)


class _OverHTTPX:
    """A `Transport` to the fakes that an httpx client reaches."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def exchange(
        self, request: transport.Request, claim: transport.BeforeSend
    ) -> transport.Response:
        """Claim, and send the request."""
        await claim()
        response = await self._client.post(
            request.url, headers=request.headers, content=request.content
        )
        return transport.Response(response.status_code, response.content, response.headers)

    def expect(self, _: str) -> AbstractContextManager[None]:
        """Open nothing ahead."""
        return nullcontext()


def _token(client: httpx.AsyncClient) -> AccessToken:
    return AccessToken(
        Http(client),
        MemoryCache(),
        app_key="key",
        app_secret="secret",  # noqa: S106 - the fake's
        openapi_url=_OPENAPI,
    )


def _settings() -> dict[type[Any], Any]:
    return {
        WeatherSettings: WeatherSettings.model_construct(
            qweather_url="https://me.qweatherapi.com",
            qweather_project_id="PROJECT",
            qweather_key_id="KEY",
            qweather_private_key=SecretStr(_PRIVATE),
            amap_key=SecretStr("key"),
        ),
        CouponSettings: CouponSettings.model_construct(
            taobao_app_key="12345678",
            taobao_app_secret=SecretStr("secret"),
            taobao_adzone_id="111",
        ),
        PerformanceSettings: PerformanceSettings.model_construct(
            performance_url=SecretStr("https://hr.example.com/performance"),
            performance_token=SecretStr("token"),
        ),
    }


_KEY = Ed25519PrivateKey.generate()
_PRIVATE = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
_PUBLIC = _KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class _Damage:
    """The simulator's backends, each at its host; some of their responses are damaged."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        sky = FakeOpenMeteo(lambda: NOW).app()
        people = (Person("0001", "张三", "0003"), Person("0002", "李四", "0001"))
        dingtalk = FakeOpenAPI(people, app_key="key", app_secret="secret").app()  # noqa: S106
        rows = [
            {"userid": staff_id, "period": f"2026-{month:02}", "score": 90 + month, "comment": "好"}
            for staff_id in ("0001", "0002")
            for month in (9, 10)
        ]
        qweather = FakeQWeather(
            project_id="PROJECT", key_id="KEY", public_key=_PUBLIC, now=datetime.now
        )
        taobao = FakeTaobao(
            app_key="12345678",
            app_secret="secret",  # noqa: S106
            adzone_id="111",
            now=lambda: NOW,
        )
        apps: dict[str, Any] = {
            "api.open-meteo.com": sky,
            "geocoding-api.open-meteo.com": sky,
            "me.qweatherapi.com": qweather.app(),
            "restapi.amap.com": FakeAMap(key="key", now=lambda: NOW).app(),
            "eco.taobao.com": taobao.app,
            "hr.example.com": create_hr(rows, token="token"),  # noqa: S106
            "api.dingtalk.com": dingtalk,
            "oapi.dingtalk.com": _WithSession(dingtalk),
        }
        self._apps = {host: httpx.ASGITransport(app) for host, app in apps.items()}

    async def handle(self, request: httpx.Request) -> httpx.Response:
        dice = self._dice
        response = await self._apps[request.url.host].handle_async_request(request)
        body, status = await response.aread(), response.status_code
        if dice.random() < 0.1:  # noqa: PLR2004 - a share
            raise dice.choice([httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])(
                "x"
            )
        if dice.random() < 0.6:  # noqa: PLR2004 - a share
            body = dice.choice([_mutated, _mutated, _mutated, _cut, _deep])(dice, body)
        headers: dict[str, str] = {}
        if dice.random() < 0.1:  # noqa: PLR2004 - a share
            status = dice.choice(_STATUSES)
            headers = {"retry-after": dice.choice(_RETRY_AFTERS)}
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


class _WithSession:
    """The old API's host, which is that of sessionWebhooks as well."""

    def __init__(self, openapi: Starlette) -> None:
        self._openapi = openapi

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if Request(scope).url.path == "/robot/sendBySession":
            await JSONResponse({"errcode": 0, "errmsg": "ok"})(scope, receive, send)
        else:
            await self._openapi(scope, receive, send)


def _mutated(dice: random.Random, body: bytes) -> bytes:
    """A response with some of its values replaced, doubled or taken away."""
    try:
        root = [json.loads(body)]
    except ValueError:
        return body
    for _ in range(dice.randint(1, 4)):
        holder, key = dice.choice(list(_places(root)))
        match dice.randrange(4):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 1 if isinstance(holder, list):
                holder.append(deepcopy(holder[key]))
            case _:
                holder[key] = deepcopy(dice.choice(_VALUES))
    return json.dumps(root[0]).encode()


def _places(value: Any) -> Any:
    """Everything within a JSON value that can be replaced: what holds it, and its key there."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        yield value, key
        if isinstance(each, dict | list):
            yield from _places(each)


def _cut(dice: random.Random, body: bytes) -> bytes:
    return body[: dice.randint(0, len(body))] + dice.randbytes(dice.choice([0, 0, 5]))


def _deep(dice: random.Random, _: bytes) -> bytes:
    return dice.choice([b"[", b'{"a":', b"1", b'"', b"nul"]) * dice.randint(1, 9000)


async def _claim() -> None:
    """Claim a send: nothing else sends here."""


async def _try_reply(findings: Findings, bot: _Bot, text: str) -> None:
    findings.tried["replies"] += 1
    group = bot.dice.random() < 0.5  # noqa: PLR2004 - a half
    said = await _timed(
        findings, f"reply {text[:200]!r}", bot, lambda: bot.reply(text, group=group)
    )
    if isinstance(said, Response):
        to_body(said.reply)
        if any(bug in str(said.completion) for bug in _BUGS):
            findings.add(f"reply {text[:200]!r}", said.completion)


async def _try_delivery(findings: Findings, bot: _Bot) -> None:
    for post in (bot.post, bot.post_privately):
        findings.tried["deliveries"] += 1
        outcome = await _timed(findings, post.__name__, bot, post)
        if not isinstance(outcome, Delivered | Retry | Rejected | Unknown | None):
            findings.add(post.__name__, repr(outcome))
        if len(str(outcome)) > MAX_CHARS:
            findings.add(post.__name__, f"a reason of {len(str(outcome))} characters")


async def _timed(
    findings: Findings, what: str, bot: _Bot, step: Callable[[], Awaitable[Any]]
) -> Any:
    """Take a step, and repeat it from the same seed if it was slow: the machine may be busy."""
    state, best_s = bot.dice.getstate(), float("inf")
    for _ in range(_TRIES):
        bot.dice.setstate(state)
        began_s = time.thread_time()
        try:
            done = await step()
        except Exception as error:  # noqa: BLE001 - what this looks for
            findings.add(what, repr(error))
            return None
        best_s = min(best_s, time.thread_time() - began_s)
        if best_s <= REPLY_S:
            return done
    findings.add(what, f"{best_s * 1000:.0f} ms")
    return None
