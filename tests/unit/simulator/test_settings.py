from pathlib import Path

import pytest

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.settings import load_settings
from dingda.simulator.dingtalk.stream_rules import DEFAULT_RULES
from dingda.simulator.http.composition import stream_rules
from dingda.simulator.settings import load_simulator_settings


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "URL", "PUBLIC_URL", "CALLBACK_URL"):
        monkeypatch.delenv(f"DINGDA_SIMULATOR_{name}", raising=False)
    for name in ("DINGDA_HOST", "DINGDA_PORT", "DINGDA_CALLBACK_PATH"):
        monkeypatch.delenv(name, raising=False)


def test_without_settings_everything_is_on_this_machine() -> None:
    settings = load_simulator_settings(env_file=None)
    assert settings.server_url == "http://127.0.0.1:8100"
    assert settings.session_base_url == "http://127.0.0.1:8100"
    bot = load_settings(env_file=None)
    assert settings.gateway_callback_url(bot) == "http://127.0.0.1:8000/dd_robot/"
    assert settings.session_life_s == 5400
    assert settings.replies_per_minute == 20


def test_the_times_of_stream_mode_are_the_servers_own() -> None:
    settings = load_simulator_settings(env_file=None)
    assert settings.mode == "http"
    assert stream_rules(settings) == DEFAULT_RULES


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", "http://localhost:9100"),
        ("0.0.0.0", "http://127.0.0.1:9100"),
        ("::", "http://[::1]:9100"),
        ("::1", "http://[::1]:9100"),
    ],
)
def test_the_addresses_follow_the_host_and_port(
    monkeypatch: pytest.MonkeyPatch, host: str, url: str
) -> None:
    monkeypatch.setenv("DINGDA_SIMULATOR_HOST", host)
    monkeypatch.setenv("DINGDA_SIMULATOR_PORT", "9100")
    settings = load_simulator_settings(env_file=None)
    assert settings.server_url == url
    assert settings.session_base_url == url


def test_the_callback_address_follows_the_gateways_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DINGDA_HOST", "0.0.0.0")
    monkeypatch.setenv("DINGDA_PORT", "9000")
    monkeypatch.setenv("DINGDA_CALLBACK_PATH", "/bot")
    settings = load_simulator_settings(env_file=None)
    bot = load_settings(env_file=None)
    assert settings.gateway_callback_url(bot) == "http://127.0.0.1:9000/bot"


def test_every_address_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINGDA_SIMULATOR_URL", "http://simulator:8100/")
    monkeypatch.setenv("DINGDA_SIMULATOR_PUBLIC_URL", "http://dingtalk:8100/")
    monkeypatch.setenv("DINGDA_SIMULATOR_CALLBACK_URL", "http://gateway:8000/dd_robot/")
    settings = load_simulator_settings(env_file=None)
    assert settings.server_url == "http://simulator:8100"
    assert settings.session_base_url == "http://dingtalk:8100"
    bot = load_settings(env_file=None)
    assert settings.gateway_callback_url(bot) == "http://gateway:8000/dd_robot/"


def test_a_wrong_setting_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINGDA_SIMULATOR_URL", "ftp://hidden")
    monkeypatch.setenv("DINGDA_SIMULATOR_PORT", "70000")
    with pytest.raises(SettingsError) as raised:
        load_simulator_settings(env_file=None)
    assert str(raised.value).splitlines() == [
        "DINGDA_SIMULATOR_PORT: Input should be less than or equal to 65535",
        "DINGDA_SIMULATOR_URL: the scheme must be http or https; write it as http://127.0.0.1:8100",
    ]


def test_a_file_can_hold_the_settings(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("DINGDA_SIMULATOR_PORT=9100\nDINGDA_APP_SECRET=x\n")
    assert load_simulator_settings(env_file).port == 9100
