"""Several robots on the command line: the option that names one, and their labels."""

import click

from dingda.shared.dingtalk.robots import Robot, Robots

robot_option = click.option(
    "--robot", "robot_name", metavar="NAME", default="", help="Of several robots: its name or code."
)


def find_robot(robots: Robots, name: str) -> Robot:
    """The robot of a name or a code.

    Raises:
        click.BadParameter: if there is none.
    """
    for robot in robots:
        if name in (robot.name, robot.code):
            return robot
    labels = ", ".join(robot.label for robot in robots)
    raise click.BadParameter(f"no robot has this name or code; there are {labels}")


def find_one(robots: Robots, name: str) -> Robot:
    """The robot of a name or a code; where "" names none, the only one that there is.

    Raises:
        click.UsageError: if there are several, and none is named.
        click.BadParameter: if there is no such robot.
    """
    if name:
        return find_robot(robots, name)
    if len(robots) > 1:
        raise click.UsageError("there are several robots: name one by --robot")
    return next(iter(robots))


def labels_of(robots: Robots) -> dict[str, str]:
    """The robots' labels by their codes; none where there is only one to show."""
    return {robot.code: robot.label for robot in robots} if len(robots) > 1 else {}
