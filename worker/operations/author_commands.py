"""The commands for authors: `skills`, `settings`."""

from itertools import chain

import click

from dingda.shared.runtime.command_line import FAILED, OK, WRONG_USAGE, as_json_option
from dingda.shared.runtime.logs import configure_logging
from dingda.shared.runtime.running_demo import join_demo
from dingda.shared.runtime.settings import Settings, load_settings
from dingda.worker.answering.composition import describe_skills, load_robots_skills
from dingda.worker.operations.named_robots import find_robot, robot_option
from dingda.worker.operations.settings_list import list_settings, show_settings
from dingda.worker.operations.skills_list import list_skills, show_robots_skills
from dingda.worker.sdk.loader import find_skills


@click.command
@as_json_option
def settings(*, as_json: bool) -> int:
    """List every setting, what it means and what it is now.

    The skills' own are among them. Secrets show only whether they are set. Exit status: 2 if one is
    wrong or missing.
    """
    loaded = chain.from_iterable(load_robots_skills(_load()).by_robot.values())
    # Robots may share a skill.
    sections = list_settings({id(skill): skill for skill in loaded}.values())
    click.echo(show_settings(sections, as_json=as_json))
    return WRONG_USAGE if any(section.problem for section in sections) else OK


@click.command
@robot_option
@as_json_option
def skills(*, robot_name: str, as_json: bool) -> int:
    """List the skills, their modules and what one types.

    Of several robots, each robot's. Words that two skills claim are named, with the one that has
    them. Why it is these skills is said last. Exit status: 1 if a module can't be loaded.
    """
    join_demo("DINGDA_SKILLS")
    settings = _load()
    robots = [find_robot(settings.robots, robot_name)] if robot_name else settings.robots
    found = {robot.label: list_skills(find_skills(settings.skills_of(robot))) for robot in robots}
    click.echo(show_robots_skills(found, as_json=as_json))
    if not as_json:
        click.echo("\n".join(describe_skills(settings)), err=True)
    return FAILED if any(each.failures for each in found.values()) else OK


def _load() -> Settings:
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    return settings
