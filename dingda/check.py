"""The command `dingda check`: what could break a promise, the skills included."""

import click

from dingda.gateway.__main__ import check as check_all
from dingda.shared.runtime.command_line import as_json_option
from dingda.shared.runtime.plain_settings import variables_of
from dingda.shared.runtime.running_demo import join_demo
from dingda.shared.runtime.settings import load_settings


@click.command
@as_json_option
def check(*, as_json: bool) -> int:
    """Look for what could break a promise.

    DingTalk is asked what its console lacks for each robot, and the modules of skills are imported;
    nothing is sent to anybody. Each finding says what to do about it. Exit status: 1 if one of them
    keeps the gateway and the workers from starting, or a skill from being loaded or from
    answering.
    """
    join_demo("DINGDA_REDIS_URL")
    settings = load_settings()
    # Load the worker and the simulator.
    from dingda.simulator.demo.ingress import REDIS  # noqa: PLC0415
    from dingda.simulator.settings import SimulatorSettings  # noqa: PLC0415
    from dingda.worker.operations.dashboard.settings import DashboardSettings  # noqa: PLC0415
    from dingda.worker.operations.skills_check import check_skills  # noqa: PLC0415
    from dingda.worker.sdk.loader import find_skills_of, names_read  # noqa: PLC0415

    found = find_skills_of(map(settings.skills_of, settings.robots))
    names = {
        *names_read(module.skill for module in found if module.skill),
        *variables_of(SimulatorSettings),
        *variables_of(DashboardSettings),
        REDIS.variable,
    }
    return check_all(settings, as_json=as_json, skills=check_skills(found), names=names)
