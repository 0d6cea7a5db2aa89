"""The worker's parts load quickly: what takes long to import is imported when it is first used."""

import subprocess
import sys

import pytest

from dingda.simulator.testing.processes import clean_environment

pytestmark = pytest.mark.heavy

MOST_S = 1.0
TRIES = 3
SLOW = {"sqlalchemy", "jwt", "cryptography.hazmat"}
"""What only some settings need. (`redis` imports `cryptography` itself, which loads little.)"""
SKILLS = """
from dingda.worker.sdk.loader import load_skill_settings, load_skills
load_skill_settings(load_skills(tuple(
    f"dingda.worker.skills.{name}" for name in ("coupons", "demo", "performance", "weather")
)))
"""


def test_the_workers_parts_load_within_a_second() -> None:
    # CPU time, with several tries, so that a busy machine fails nothing.
    code = "import time, dingda.worker.app; print(time.process_time())"
    assert any(float(printed_by(code)) <= MOST_S for _ in range(TRIES))


@pytest.mark.parametrize("start", ["import dingda.worker.app", SKILLS])
def test_what_no_setting_asks_for_is_not_loaded(start: str) -> None:
    assert not SLOW & loaded_by(start)


@pytest.mark.parametrize(
    ("setting", "loaded"),
    [
        ("DINGDA_COUPONS_URL=sqlite://", "sqlalchemy"),
        ("DINGDA_PERFORMANCE_URL=sqlite://", "sqlalchemy"),
        ("DINGDA_WEATHER_PROVIDERS=qweather", "jwt"),
    ],
)
def test_what_a_setting_asks_for_is_loaded_at_the_start(setting: str, loaded: str) -> None:
    assert loaded in loaded_by(SKILLS, setting)


def loaded_by(code: str, *settings: str) -> set[str]:
    """The modules that are loaded once a fresh Python has run some code with some settings."""
    return set(printed_by(f"{code}\nimport sys; print(*sys.modules)", *settings).split())


def printed_by(code: str, *settings: str) -> str:
    env = clean_environment() | dict(setting.split("=", 1) for setting in settings)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    return done.stdout
