"""What the demo prints can be typed in another terminal, whatever the ports and the `.env`."""

import sys
from pathlib import Path

import pytest

from dingda.simulator.demo.banner import banner, typed
from dingda.simulator.demo.ingress import HTTP, REDIS, SIMULATOR, STREAM, Ingress
from dingda.simulator.demo.settings import skill_modules

PAGE = "http://127.0.0.1:8500"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("DINGDA_SKILLS", "DINGDA_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(SIMULATOR.variable, "8500")
    monkeypatch.setenv(REDIS.variable, "6780")
    monkeypatch.setattr("dingda.simulator.demo.banner.typed", lambda name: name)
    return tmp_path


def lines(ingress: Ingress = HTTP) -> list[str]:
    told = banner(ingress, skill_modules(), page=PAGE, weather="The weather is invented.")
    return [line.strip() for line in told.splitlines()]


@pytest.mark.parametrize(
    ("here", "on_path", "shown"),
    [
        ("project", "project/.venv/bin/dingda", "dingda"),
        ("project", None, ".venv/bin/dingda"),
        ("project", "elsewhere/bin/dingda", ".venv/bin/dingda"),
        ("elsewhere", None, "{root}/project/.venv/bin/dingda"),
    ],
)
def test_its_commands_are_shown_as_they_are_typed_here(
    here: str, on_path: str | None, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "project/.venv/bin/dingda"
    script.parent.mkdir(parents=True)
    script.touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / here)
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    monkeypatch.setattr("shutil.which", lambda _: on_path and str(tmp_path / on_path))
    assert typed("dingda") == shown.format(root=tmp_path)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("dingda", ".venv/bin/python -m dingda"), ("rq", ".venv/bin/python -m rq.cli")],
)
def test_where_the_command_is_not_installed_python_runs_it(
    name: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    assert typed(name) == shown


@pytest.mark.parametrize(
    ("skills", "is_told"), [("dingda.worker.skills.weather", True), ("coffee", False)]
)
def test_where_the_weather_comes_from_is_told_where_its_skill_is_loaded(
    skills: str, *, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINGDA_SKILLS", skills)
    assert ("The weather is invented." in lines()) is is_told


@pytest.mark.parametrize(
    ("skills", "offered"),
    [
        (None, ["整体跳转", "下午茶", "天气", "优惠券", "绩效"]),
        ("coffee, dingda.worker.skills.demo", ["整体跳转"]),
        ("worker.skills.weather,coffee", ["天气"]),
        ("coffee", []),
    ],
)
def test_it_offers_what_the_loaded_skills_understand(
    skills: str | None, offered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if skills:
        monkeypatch.setenv("DINGDA_SKILLS", skills)
    told = "\n".join(lines())
    words = ("整体跳转", "下午茶", "天气", "优惠券", "绩效")
    assert [word for word in words if word in told] == offered


def test_in_stream_mode_it_names_no_address_of_the_bot() -> None:
    told = "\n".join(lines(STREAM))
    assert "the bot listens on no port" in told
    assert "dd_robot" not in told
    assert "dd_robot" in "\n".join(lines(HTTP))


def test_rqs_own_command_is_shown_with_the_demos_redis() -> None:
    assert "rq info -u redis://127.0.0.1:6780/0" in lines()


def test_where_nothing_leads_elsewhere_commands_are_shown_without_a_setting() -> None:
    assert {'dingda say "帮助"', "dingda chat", "dingda status"} <= set(lines())


def test_where_the_settings_name_another_redis_its_own_is_named(folder: Path) -> None:
    (folder / ".env").write_text("DINGDA_REDIS_URL=redis://prod.example/0\n", "utf-8")
    assert "DINGDA_REDIS_URL=redis://127.0.0.1:6780/0 dingda status" in lines()
    assert "dingda chat" in lines()


@pytest.mark.parametrize(
    ("line", "prefix"),
    [
        ("DINGDA_SIMULATOR_PORT=8500", ""),
        ("DINGDA_SIMULATOR_PORT=8100", f"DINGDA_SIMULATOR_URL={PAGE} "),
        ("DINGDA_SIMULATOR_URL=http://test.example", f"DINGDA_SIMULATOR_URL={PAGE} "),
    ],
)
def test_where_the_env_file_names_another_simulator_its_own_is_named(
    line: str, prefix: str, folder: Path
) -> None:
    (folder / ".env").write_text(f"{line}\n", "utf-8")
    assert f'{prefix}dingda say "帮助"' in lines()
    assert f"{prefix}dingda chat" in lines()
    assert "dingda status" in lines()
