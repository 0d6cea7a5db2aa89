from pathlib import Path

import pytest

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.limits import Limits
from dingda.shared.runtime.settings import Settings, load_settings
from tests.support.environment import Environment

pytestmark = pytest.mark.usefixtures("dingda")


def test_the_defaults_are_those_that_the_design_promises(dingda: Environment) -> None:
    settings = dingda.settings()
    assert settings.secrets == ()
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.callback_path == "/dd_robot/"
    assert settings.session_webhook_origins == (
        "https://oapi.dingtalk.com:443",
        "https://api.dingtalk.com:443",
    )
    assert settings.queue == "dingda"
    assert settings.concurrency == 100
    assert settings.skills == ()
    assert settings.skill_timeout == 30
    assert settings.unmatched == "hint"


def test_the_other_defaults_suit_a_first_try(dingda: Environment) -> None:
    settings = dingda.settings()
    assert (settings.backlog_limit, settings.log_level) == (100_000, "INFO")


def test_every_variable_is_read(dingda: Environment) -> None:
    settings = dingda.settings(
        APP_SECRET="a secret",
        REDIS_URL="unix:///run/redis.sock",
        HOST="0.0.0.0",
        PORT="65535",
        CALLBACK_PATH="/bot",
        SESSION_WEBHOOK_ORIGINS="http://127.0.0.1:8001",
        QUEUE="acme_1-b",
        BACKLOG_LIMIT="7",
        CONCURRENCY="10000",
        SKILLS="acme.leave",
        SKILL_TIMEOUT="0.5",
        UNMATCHED="help",
        LOG_LEVEL="DEBUG",
    )
    assert settings.secrets == ("a secret",)
    assert settings.redis_url.get_secret_value() == "unix:///run/redis.sock"
    assert (settings.host, settings.port, settings.callback_path) == ("0.0.0.0", 65535, "/bot")
    assert settings.session_webhook_origins == ("http://127.0.0.1:8001",)
    assert (settings.queue, settings.backlog_limit) == ("acme_1-b", 7)
    assert (settings.concurrency, settings.skills) == (10_000, ("acme.leave",))
    assert (settings.skill_timeout, settings.unmatched) == (0.5, "help")
    assert settings.log_level == "DEBUG"


@pytest.mark.parametrize("value", ["old,new", " old , new ", "old,,new,", ",old,\tnew"])
def test_a_list_is_written_with_commas(dingda: Environment, value: str) -> None:
    settings = dingda.settings(APP_SECRET=value, SKILLS=value)
    assert settings.secrets == ("old", "new")
    assert settings.skills == ("old", "new")


def test_a_list_keeps_its_order(dingda: Environment) -> None:
    assert dingda.settings(SKILLS="c,a,b").skills == ("c", "a", "b")


@pytest.mark.parametrize("value", ["[1]", '{"a": 1}', 'half"quoted"', "天气", "a'b", '"'])
def test_a_secret_is_taken_literally(dingda: Environment, value: str) -> None:
    assert dingda.settings(APP_SECRET=value).secrets == (value,)


def test_an_origin_is_kept_in_its_one_spelling(dingda: Environment) -> None:
    value = "https://OAPI.dingtalk.com/, http://localhost:8001"
    assert dingda.settings(SESSION_WEBHOOK_ORIGINS=value).session_webhook_origins == (
        "https://oapi.dingtalk.com:443",
        "http://localhost:8001",
    )


def test_empty_means_the_default(dingda: Environment) -> None:
    defaults = dingda.settings()
    empty = {name.upper(): "" for name in Settings.model_fields}
    assert dingda.settings(**empty) == defaults


def test_other_peoples_variables_are_ignored(
    dingda: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "9000")
    assert dingda.settings(NO_SUCH_SETTING="1").port == 8000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "99x99"),
        ("PORT", "80.5"),
        ("CALLBACK_PATH", "pathless"),
        ("CALLBACK_PATH", "/{pathless}"),
        ("SESSION_WEBHOOK_ORIGINS", "oapi-without-scheme"),
        ("SESSION_WEBHOOK_ORIGINS", "https://someone@example.org"),
        ("SESSION_WEBHOOK_ORIGINS", "https://example.org/robot"),
        ("SESSION_WEBHOOK_ORIGINS", "https://example.org/robot/"),
        ("SESSION_WEBHOOK_ORIGINS", "ftp://example.org"),
        ("SESSION_WEBHOOK_ORIGINS", "https://oapi.dingtalk.com,oapi-without-scheme"),
        ("QUEUE", "two words"),
        ("QUEUE", "one:two"),
        ("QUEUE", "queue\nother"),
        ("QUEUE", "队列"),
        ("BACKLOG_LIMIT", "0"),
        ("BACKLOG_LIMIT", "many"),
        ("CONCURRENCY", "0"),
        ("CONCURRENCY", "10001"),
        ("SKILL_TIMEOUT", "0"),
        ("SKILL_TIMEOUT", "-1"),
        ("SKILL_TIMEOUT", "3601"),
        ("SKILL_TIMEOUT", "inf"),
        ("SKILL_TIMEOUT", "nan"),
        ("SKILL_TIMEOUT", "half a minute"),
        ("UNMATCHED", "sometimes"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_value_is_refused_by_the_variables_name(
    dingda: Environment, name: str, value: str
) -> None:
    assert dingda.complaint(**{name: value}).startswith(f"DINGDA_{name}: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "private"),
        ("CALLBACK_PATH", "private"),
        ("SESSION_WEBHOOK_ORIGINS", "https://private@example.org"),
        ("SESSION_WEBHOOK_ORIGINS", "https://example.org/private"),
        ("QUEUE", "private words"),
        ("BACKLOG_LIMIT", "private"),
        ("SKILL_TIMEOUT", "private"),
        ("UNMATCHED", "private"),
        ("LOG_LEVEL", "private"),
    ],
)
def test_a_complaint_never_shows_the_value(dingda: Environment, name: str, value: str) -> None:
    assert "private" not in dingda.complaint(**{name: value})


def test_every_wrong_variable_is_named_at_once(dingda: Environment) -> None:
    lines = dingda.complaint(PORT="0", QUEUE="two words", UNMATCHED="maybe").splitlines()
    assert {line.partition(":")[0] for line in lines} == {
        "DINGDA_PORT",
        "DINGDA_QUEUE",
        "DINGDA_UNMATCHED",
    }


def test_a_complaint_about_an_origin_says_how_to_write_it(dingda: Environment) -> None:
    complaint = dingda.complaint(SESSION_WEBHOOK_ORIGINS="https://example.org/robot")
    assert complaint.endswith("write it as https://oapi.dingtalk.com")


def test_neither_secrets_nor_the_redis_url_are_shown(dingda: Environment) -> None:
    settings = dingda.settings(APP_SECRET="private", REDIS_URL="redis://:private@redis:6379/0")
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "private" not in shown


def test_a_file_is_read_where_one_is_named(tmp_path: Path) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_text("DINGDA_PORT=9000\nDINGDA_SKILLS=a,b\nOTHER=1\n")
    settings = load_settings(env_file=env_file)
    assert (settings.port, settings.skills) == (9000, ("a", "b"))


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_text("DINGDA_PORT=9000\nDINGDA_QUEUE=acme\n")
    monkeypatch.setenv("DINGDA_PORT", "9001")
    settings = load_settings(env_file=env_file)
    assert (settings.port, settings.queue) == (9001, "acme")


def test_a_wrong_line_in_the_file_is_named_like_a_variable(tmp_path: Path) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_text("DINGDA_PORT=private\n")
    with pytest.raises(SettingsError, match=r"\ADINGDA_PORT: ") as refusal:
        load_settings(env_file=env_file)
    assert "private" not in str(refusal.value)


def test_without_a_file_only_the_environment_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("DINGDA_PORT=9000\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings().port == 9000
    assert load_settings(env_file=None).port == 8000


def test_settings_stay_as_they_were_read(dingda: Environment) -> None:
    settings = dingda.settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 9000


@pytest.mark.parametrize(
    "url", ["http://proxy.example:3128", "http://proxy/", "http://worker:p%40ss@10.0.0.1:8080"]
)
def test_a_proxy_is_taken_as_it_is_written_and_not_shown(dingda: Environment, url: str) -> None:
    settings = dingda.settings(PROXY_URL=url, NO_PROXY="HR.example, 10.0.0.5")
    assert settings.proxy_url.get_secret_value() == url
    assert url not in repr(settings)
    assert settings.no_proxy == ("hr.example", "10.0.0.5")


@pytest.mark.parametrize(
    "url",
    [
        "proxy.example:3128",
        "https://proxy.example",
        "socks5://proxy.example:1080",
        "http://worker:c4nary@",
        "http://worker:c4n@ry@proxy.example",
        "http://proxy.example/c4nary",
        "http://proxy.example:99999",
        "http://proxy.example?c4nary",
    ],
)
def test_a_wrong_proxy_url_is_refused_without_its_words(dingda: Environment, url: str) -> None:
    complaint = dingda.complaint(PROXY_URL=url)
    assert complaint.startswith("DINGDA_PROXY_URL: write it as http://proxy.example:3128")
    assert "c4n" not in complaint


@pytest.mark.parametrize("host", ["*.example", ".example", "hr.example:80", "http://hr", "a/b"])
def test_a_host_without_the_proxy_is_a_name(dingda: Environment, host: str) -> None:
    assert "DINGDA_NO_PROXY: a host is written as" in dingda.complaint(NO_PROXY=host)


def test_the_hosts_of_files_are_domains_and_origins(dingda: Environment) -> None:
    assert dingda.settings().media_hosts == ("dingtalk.com", "aliyuncs.com", "alicdn.com")
    named = ("aliyuncs.com", "https://files.corp.example")
    assert dingda.settings(MEDIA_HOSTS=",".join(named)).media_hosts == named
    for wrong in ("files.example:80", "https://files.example/private", "*"):
        complaint = dingda.complaint(MEDIA_HOSTS=wrong)
        assert "write it as aliyuncs.com, or as https://files.corp.example" in complaint
        assert "private" not in complaint


def test_limits_are_read_into_numbers_and_what_is_wrong_is_said(dingda: Environment) -> None:
    limits = dingda.settings(OPENAPI_LIMITS="at_once=5, per_s=2.5").openapi_limits
    assert limits == Limits(at_once=5, per_s=2.5)
    with pytest.raises(SettingsError, match=r"^DINGDA_OPENAPI_LIMITS: per_s must be a number"):
        dingda.settings(OPENAPI_LIMITS="per_s=fast")


ALERT_WEBHOOK = "https://oapi.dingtalk.com/robot/send?access_token=abc"


def test_operators_are_told_at_dingtalks_own_addresses(dingda: Environment) -> None:
    assert dingda.settings(ALERT_WEBHOOK=ALERT_WEBHOOK).alert_webhook.get_secret_value()


@pytest.mark.parametrize(
    "url",
    [
        ALERT_WEBHOOK.replace("dingtalk.com", "dingtalk.example"),
        ALERT_WEBHOOK.replace("https", "http"),
        ALERT_WEBHOOK.replace("//oapi", "//evil@oapi"),
        ALERT_WEBHOOK.partition("?")[0],
        "not an address",
    ],
)
def test_operators_are_told_nowhere_else(dingda: Environment, url: str) -> None:
    complaint = dingda.complaint(ALERT_WEBHOOK=url)
    assert complaint.startswith("DINGDA_ALERT_WEBHOOK: write it as https://oapi.dingtalk.com/robot")
    assert "abc" not in complaint


def test_origins_that_are_wrong_are_the_one_thing_that_is_said(dingda: Environment) -> None:
    complaint = dingda.complaint(ALERT_WEBHOOK=ALERT_WEBHOOK, SESSION_WEBHOOK_ORIGINS="nowhere")
    assert len(complaint.splitlines()) == 1
