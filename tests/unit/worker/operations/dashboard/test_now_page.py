"""The first page: figures of the present, pause and resume, languages, an outage."""

import re
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from rq.suspension import WORKERS_SUSPENDED

from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, Outcome
from dingda.shared.ledger.worker_report import HeldMessage, WorkerReport
from dingda.worker.operations.dashboard import texts
from dingda.worker.operations.dashboard.now_page import chart_points
from dingda.worker.operations.dashboard.texts import LANGUAGES, TEXTS, choose_language
from tests.support.builders import KEYS, now_ms
from tests.unit.worker.operations.dashboard.conftest import Browser
from tests.unit.worker.operations.messages import QUEUE, accepted, ended


async def a_worker(redis: fakeredis.FakeAsyncRedis, **facts: Any) -> WorkerReport:
    report = WorkerReport(
        **{
            "name": "w1",
            "host": "web-1",
            "pid": 7,
            "version": "0.1.0",
            "started_ms": now_ms() - 60_000,
            "seen_ms": now_ms() - 1000,
            "slots": 110,
            "slots_used": 1,
            **facts,
        }
    )
    await redis.sadd(QUEUE.workers_key, f"rq:worker:{report.name}")
    await redis.set(KEYS.worker(report.name), report.to_json())
    return report


def words_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


async def test_it_counts_what_is_open_and_each_kind_of_end(
    browser: Browser, ledger: Ledger
) -> None:
    await accepted(ledger, msgId="1")
    await ended(ledger, Completion(Outcome.ANSWERED), msgId="2")
    await ended(ledger, msgId="3")
    text = words_of((await browser.get("/")).text)
    assert "3 accepted + 0 retried = 2 ended + 1 open" in text
    assert "3 queued · 0 held · 0 resting" in text
    assert "answered – 1" in text
    assert "dead: failed – 1" in text


async def test_it_names_each_worker_and_what_it_is_doing(
    browser: Browser, redis: fakeredis.FakeAsyncRedis
) -> None:
    held = HeldMessage("ab" * 32, "weather", now_ms() - 2500)
    await a_worker(redis, doing=(held,), slots_used=3, open_circuits=("hr.example",))
    text = words_of((await browser.get("/")).text)
    assert "web-1 w1 0.1.0" in text
    assert "abababababab weather 2.5 s" in text
    assert "2 more" in text
    assert "3 / 110" in text
    assert "hr.example not called by 1 worker(s)" in text


async def test_without_a_worker_it_says_that_nothing_is_answered(browser: Browser) -> None:
    assert "No worker is alive" in (await browser.get("/")).text


async def test_names_that_a_worker_reports_become_no_html(
    browser: Browser, redis: fakeredis.FakeAsyncRedis
) -> None:
    evil = "<script>alert(1)</script>"
    held = HeldMessage(f"{evil}/../..", evil, 0)
    await a_worker(redis, host=evil, version=evil, doing=(held,), open_circuits=(evil,))
    html = (await browser.get("/")).text
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;") >= 4


async def test_pausing_is_shown_on_every_page_and_resuming_ends_it(
    operator: Browser, redis: fakeredis.FakeAsyncRedis
) -> None:
    await operator.post("/pause")
    assert await redis.exists(WORKERS_SUSPENDED)
    for page in ("/", "/dead", "/messages"):
        assert "Paused: workers take no messages" in (await operator.get(page)).text
    await operator.post("/resume")
    assert not await redis.exists(WORKERS_SUSPENDED)
    assert "Paused:" not in (await operator.get("/")).text


@pytest.mark.parametrize("page", ["/", "/dead", "/messages"])
async def test_while_redis_is_away_every_page_says_so(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise RedisConnectionError("redis://user:c4nary@10.0.0.5")

    for call in ("pipeline", "exists", "zrevrange", "zcard"):
        monkeypatch.setattr(fakeredis.FakeAsyncRedis, call, refuse)
    response = await browser.get(page)
    assert response.status_code == 503
    assert "Redis cannot be reached" in response.text
    assert "c4nary" not in response.text


async def test_the_language_is_the_browsers_until_one_is_chosen(browser: Browser) -> None:
    assert '<html lang="en">' in (await browser.get("/")).text
    chinese = await browser.get("/", headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert '<html lang="zh-CN">' in chinese.text
    await browser.get("/?lang=zh-CN")
    assert '<html lang="zh-CN">' in (await browser.get("/dead")).text


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example/", "/dead/group?reason=a%26b"]
)
async def test_the_other_language_is_a_link_to_the_same_page(browser: Browser, path: str) -> None:
    html = (await browser.get(f"http://127.0.0.1:9109{path}")).text
    (link,) = re.findall(r'<a href="([^"]*)" lang="zh-CN">', html)
    assert link.startswith("?")
    assert 'href="//' not in html
    assert 'href="/\\' not in html


@pytest.mark.parametrize(
    ("kept", "accepted_languages", "chosen"),
    [
        ("", "", "zh-CN"),
        ("", "de,en-GB;q=0.8", "en"),
        ("", "fr", "zh-CN"),
        ("en", "zh-CN", "en"),
        ("xx", "en", "en"),
    ],
)
def test_the_language_is_chosen(kept: str, accepted_languages: str, chosen: str) -> None:
    assert choose_language(kept, accepted_languages) == chosen


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_is_in_both_languages_with_the_same_blanks(name: str) -> None:
    texts = TEXTS[name]
    assert len(texts) == len(LANGUAGES)
    assert all(texts)
    blanks = [sorted(re.findall(r"\{\d\}", text)) for text in texts]
    assert blanks[0] == blanks[1]


def test_every_text_is_used() -> None:
    folder = Path(texts.__file__).parent
    files = [*folder.glob("templates/*.html"), *folder.glob("*_page.py")]
    source = "".join(path.read_text("utf-8") for path in files)
    built = ("stage_", "step_", "result_")  # their ends are states and stages
    unused = [name for name in TEXTS if not re.search(rf"[\"']{name}[\"']", source)]
    assert [name for name in unused if not name.startswith(built)] == []


def test_the_chart_has_its_newest_point_at_the_right_and_the_most_at_the_top() -> None:
    assert chart_points([]) == ""
    assert chart_points([(0, 2.0), (900_000, 1.0)]) == "0.0,1.0 240.0,18.0"
    assert chart_points([(0, 2.0), (30_000, 1.0)]) == "120.0,1.0 240.0,18.0"


async def test_an_unknown_page_is_a_plain_404(browser: Browser) -> None:
    response = await browser.get("/nowhere")
    assert response.status_code == 404
    assert "There is no such page" in response.text


async def test_the_style_and_the_script_are_served_without_signing_in(browser: Browser) -> None:
    for name in ("style.css", "refresh.js", "icon.svg"):
        assert (await browser.get(f"/static/{name}")).status_code == 200
    assert (await browser.get("/static/../app.py")).status_code == 404
