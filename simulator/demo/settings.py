"""The settings of the demo's processes: its own, whatever a `.env` says of the real bot."""

import os
from dataclasses import replace
from pathlib import Path

from dingda.shared.runtime.environment import value_set
from dingda.shared.runtime.inspection_file import INSPECTION_FILE
from dingda.shared.runtime.running_demo import DATA
from dingda.shared.runtime.secret_files import file_variables
from dingda.shared.runtime.settings import Settings
from dingda.shared.runtime.skill_modules import SHOWCASE, SkillModules, choose_modules
from dingda.simulator.backends.account import account_settings
from dingda.simulator.demo import coupons, performance
from dingda.simulator.demo.ingress import GATEWAY, REDIS, SIMULATOR, Ingress

SECRET = "only-the-demo-uses-this"  # noqa: S105 - it protects nothing
_UNSET = " "
"""A value that is the default, and wins over a `.env`: one without a character would not."""


def skill_modules() -> SkillModules:
    """The modules of skills: the bot's own, or the shipped ones with the showcase."""
    named = [name.strip() for name in value_set("DINGDA_SKILLS").split(",") if name.strip()]
    chosen = choose_modules(named)
    if chosen.source != "shipped":
        return chosen
    return replace(chosen, modules=(*chosen.modules, SHOWCASE))


def demo_settings(ingress: Ingress, skills: SkillModules) -> dict[str, str]:
    """What the processes are told, by the variables' names.

    Args:
        ingress: how messages come to the bot.
        skills: what is loaded.
    """
    simulator = f"http://127.0.0.1:{SIMULATOR.number}"
    return {
        **account_settings(simulator, mode=ingress.mode),
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_THINKING_REACTION": "🤔思考中",
        "DINGDA_REDIS_URL": f"redis://127.0.0.1:{REDIS.number}/0",
        "DINGDA_HOST": "127.0.0.1",
        "DINGDA_PORT": str(GATEWAY.number),
        "DINGDA_SIMULATOR_PORT": str(SIMULATOR.number),
        "DINGDA_SIMULATOR_MODE": ingress.mode,
        "DINGDA_SESSION_WEBHOOK_ORIGINS": simulator,
        "DINGDA_ROBOT_CODE": _UNSET,
        "DINGDA_ROBOTS": _UNSET,
        "DINGDA_PROXY_URL": _UNSET,
        # The gateway and the worker could not both have the port.
        "DINGDA_METRICS_PORT": "0",
        **_named(skills),
        "DINGDA_RESULT_TTL": value_set("DINGDA_RESULT_TTL") or "60",
        "DINGDA_ALERT_WEBHOOK": f"{simulator}/robot/send?access_token={SECRET}",
        "DINGDA_ALERT_AFTER": "60",
        # A file's secret would win over those above.
        **dict.fromkeys(file_variables(Settings), ""),
    }


def create_data() -> dict[str, str]:
    """Create new data for the processes, beside that of Redis.

    A file for what the workers report to the simulator, and small databases for the skills that
    read one.

    Returns:
        The settings that name them.
    """
    inspection = DATA / "inspection.jsonl"
    inspection.unlink(missing_ok=True)
    offers, scores = DATA / "coupons.db", DATA / "performance.db"
    coupons.create(offers)
    performance.create(scores)
    return {
        INSPECTION_FILE: str(inspection.absolute()),
        "DINGDA_COUPONS_URL": f"sqlite:///{offers.absolute()}",
        "DINGDA_PERFORMANCE_URL": f"sqlite:///{scores.absolute()}",
    }


def python_settings() -> dict[str, str]:
    """How Python runs the processes: `-m` would put the current folder before its own modules."""
    settings = {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
    root = Path(__file__).parents[3]
    if root == Path.cwd():  # a checkout, perhaps not installed
        paths = (str(root), os.environ.get("PYTHONPATH"))
        settings["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return settings


def _named(skills: SkillModules) -> dict[str, str]:
    """What adds the showcase to the shipped skills; the bot's own are named where they were."""
    return {"DINGDA_SKILLS": ",".join(skills.modules)} if skills.source == "shipped" else {}
