"""Who may look at the dashboard, who may act, and what a page elsewhere can make a browser do."""

import logging

import fakeredis
import httpx
import pytest
from pydantic import ValidationError
from rq.suspension import WORKERS_SUSPENDED

from dingda.shared.errors import SettingsError
from dingda.worker.operations.dashboard.access import SESSION_S, Access, Role
from dingda.worker.operations.dashboard.settings import load_dashboard_settings
from tests.unit.worker.operations.dashboard.conftest import (
    ACT,
    ADDRESS,
    READ,
    Browser,
    Open,
    settings,
)

PAGES = ("/", "/dead", "/dead/group?reason=expired", "/messages", "/messages/" + "0" * 64)
ACTS = ("/pause", "/resume", "/dead/review", "/dead/act", f"/messages/{'0' * 64}/words")


def is_sign_in(response: httpx.Response) -> bool:
    return response.status_code == 303 and response.headers["location"].startswith("/sign-in?")


# --- where it listens


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "dingda.example"])
def test_it_refuses_to_listen_where_others_reach_it_without_a_password(host: str) -> None:
    with pytest.raises(SettingsError, match="others can reach the dashboard at this address"):
        load_dashboard_settings(None, host=host)


def test_it_refuses_to_be_reached_through_a_proxy_without_a_password() -> None:
    with pytest.raises(ValidationError, match="others can reach the dashboard"):
        settings(url="https://dingda.example")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_no_password_is_needed_to_start(host: str) -> None:
    assert load_dashboard_settings(None, host=host).is_private


def test_the_two_passwords_must_differ_and_be_long() -> None:
    with pytest.raises(ValidationError, match="must differ"):
        settings(read_password=ACT, act_password=ACT)
    with pytest.raises(ValidationError, match="at least 12 characters"):
        settings(act_password="short")


def test_no_message_about_a_setting_shows_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINGDA_DASHBOARD_ACT_PASSWORD", "c4nary")
    with pytest.raises(SettingsError) as refusal:
        load_dashboard_settings(None)
    assert str(refusal.value).startswith("DINGDA_DASHBOARD_ACT_PASSWORD: ")
    assert "c4nary" not in str(refusal.value)


# --- roles


@pytest.mark.parametrize("page", PAGES)
async def test_on_loopback_without_a_password_to_read_everyone_may_look(
    browser: Browser, page: str
) -> None:
    assert (await browser.get(page)).status_code in (200, 404)


@pytest.mark.parametrize("act", ACTS)
async def test_even_on_loopback_nobody_acts_without_the_password(
    browser: Browser, act: str
) -> None:
    assert (await browser.post(act)).status_code == 403


@pytest.mark.parametrize("act", ACTS)
async def test_without_a_password_to_act_nobody_acts_at_all(dashboard: Open, act: str) -> None:
    async with dashboard() as browser:
        assert (await browser.sign_in("")).status_code == 403
        assert (await browser.post(act)).status_code == 403
        assert "No password to act is set" in (await browser.get("/")).text


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("passwords", [{"read_password": READ}, {"act_password": ACT}])
async def test_where_others_reach_it_one_must_sign_in_to_look(
    dashboard: Open, page: str, passwords: dict[str, str]
) -> None:
    async with dashboard(host="0.0.0.0", **passwords) as browser:
        assert is_sign_in(await browser.get(page))


async def test_a_password_to_read_lets_look_and_not_act(dashboard: Open) -> None:
    async with dashboard(read_password=READ, act_password=ACT) as browser:
        assert is_sign_in(await browser.get("/"))
        await browser.sign_in(READ)
        assert (await browser.get("/")).status_code == 200
        assert (await browser.post("/pause")).status_code == 403


async def test_a_password_to_act_lets_act_and_look(
    dashboard: Open, redis: fakeredis.FakeAsyncRedis
) -> None:
    async with dashboard(read_password=READ, act_password=ACT) as browser:
        await browser.sign_in(ACT)
        assert (await browser.get("/")).status_code == 200
        assert (await browser.post("/pause")).status_code == 303
        assert await redis.exists(WORKERS_SUSPENDED)


@pytest.mark.parametrize("password", ["", "to-do-somethin", ACT + " ", "密码", "\x00"])
async def test_a_wrong_password_gives_nothing(browser: Browser, password: str) -> None:
    response = await browser.sign_in(password)
    assert response.status_code == 403
    assert "set-cookie" not in response.headers
    assert (await browser.post("/pause")).status_code == 403


async def test_signing_out_ends_it(operator: Browser) -> None:
    await operator.post("/sign-out")
    assert (await operator.post("/pause")).status_code == 403


def test_a_session_ends_by_itself() -> None:
    now = [1000.0]
    access = Access(settings(act_password=ACT), now_s=lambda: now[0])
    _, session = access.sign_in(ACT, "192.0.2.7")
    assert access.role_of(session) is Role.ACT
    now[0] += SESSION_S
    assert access.role_of(session) is Role.READ


def test_a_session_of_another_process_or_of_nobody_is_worth_nothing() -> None:
    chosen = settings(read_password=READ, act_password=ACT)
    _, foreign = Access(chosen).sign_in(ACT, "192.0.2.7")
    unsigned = "eyJhbGciOiJub25lIn0.eyJyb2xlIjoyLCJ1bnRpbCI6OTk5OTk5OTk5OX0."
    for session in (foreign, foreign[:-1], unsigned, "", "x", "\x00", "密码"):
        assert Access(chosen).role_of(session) is Role.NONE


async def test_the_sessions_cookie_is_out_of_reach_of_scripts_and_other_sites(
    browser: Browser,
) -> None:
    cookie = (await browser.sign_in()).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie


async def test_behind_tls_the_cookie_is_for_tls_alone(dashboard: Open) -> None:
    url = "https://dingda.example"
    async with dashboard(url=url, read_password=READ) as browser:
        response = await browser.post("/sign-in", {"password": READ}, origin=url)
        assert response.headers["set-cookie"].startswith("__Host-dingda=")
        assert "secure" in response.headers["set-cookie"].lower()


# --- guesses


async def test_after_five_wrong_passwords_an_address_must_wait_a_minute(dashboard: Open) -> None:
    now = [1000.0]
    async with dashboard(act_password=ACT, now_s=lambda: now[0]) as browser:
        for _ in range(5):
            assert (await browser.sign_in("wrong")).status_code == 403
        assert (await browser.sign_in(ACT)).status_code == 429
        now[0] += 60
        assert (await browser.sign_in(ACT)).status_code == 303


def test_other_addresses_need_not_wait_until_a_hundred_were_wrong() -> None:
    access = Access(settings(act_password=ACT), now_s=lambda: 1000.0)
    for number in range(99):
        access.sign_in("wrong", f"192.0.2.{number}")
    assert not access.must_wait("198.51.100.1")
    access.sign_in("wrong", "198.51.100.2")
    assert access.must_wait("198.51.100.1")


# --- pages elsewhere


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:9109", ""])
async def test_on_loopback_it_answers_to_its_own_names_only(browser: Browser, host: str) -> None:
    assert (await browser.get("/", headers={"host": host})).status_code == 421


FOREIGN = [
    {"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
    {"origin": "http://evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "none"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:8100", "sec-fetch-site": "same-site"},
    {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
    {"origin": f"{ADDRESS}.evil.example"},
    {},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("act", [*ACTS, "/sign-in", "/sign-out"])
async def test_a_post_from_elsewhere_is_refused_whatever_cookie_comes_with_it(
    operator: Browser, redis: fakeredis.FakeAsyncRedis, act: str, headers: dict[str, str]
) -> None:
    response = await operator.client.post(act, headers=headers)
    assert response.status_code == 403
    assert not await redis.exists(WORKERS_SUSPENDED)


@pytest.mark.parametrize("act", ["/pause", "/resume", "/dead/act", "/dead/review", "/sign-out"])
async def test_nothing_is_done_by_a_get(
    operator: Browser, redis: fakeredis.FakeAsyncRedis, act: str
) -> None:
    assert (await operator.get(act)).status_code == 405
    assert not await redis.exists(WORKERS_SUSPENDED)


@pytest.mark.parametrize(
    "back", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)"]
)
async def test_signing_in_leads_nowhere_else(browser: Browser, back: str) -> None:
    response = await browser.post("/sign-in", {"password": ACT, "next": back})
    assert response.headers["location"] == "/"


async def test_a_form_that_is_too_large_is_not_read(operator: Browser) -> None:
    response = await operator.post("/dead/act", {"reason": "x" * 70_000})
    assert "Nothing is chosen" in response.text


# --- what goes with every response


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/static/style.css", "/nowhere", "/pause"])
async def test_every_response_forbids_foreign_scripts_frames_and_caches(
    browser: Browser, path: str
) -> None:
    headers = (await browser.get(path)).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("page", [*PAGES, "/sign-in"])
async def test_no_page_holds_a_script_a_style_or_an_address_of_another_server(
    browser: Browser, page: str
) -> None:
    html = (await browser.get(page)).text
    assert "<style" not in html
    assert "style=" not in html
    assert " on" not in "".join(part.split(">")[0] for part in html.split("<")[1:] if "=" in part)
    assert "//" not in html.replace("<!doctype html>", "")
    assert html.count("<script") == html.count('<script src="/static/refresh.js" defer></script>')


# --- the audit log


async def test_each_act_leaves_a_line_with_role_and_address(
    operator: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "dingda.dashboard"):
        await operator.post("/pause")
        await operator.post("/resume")
        await operator.sign_in("c4nary-password")
    assert caplog.messages == [
        "audit: act at 192.0.2.7: suspends the workers",
        "audit: act at 192.0.2.7: resumes the workers",
        "audit: act at 192.0.2.7: tries a wrong password",
    ]
