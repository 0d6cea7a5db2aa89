"""The robots that messages are sent to, each with the secret that signs its callbacks."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dingda.shared.dingtalk.robots import Robot
from dingda.shared.errors import DingdaError


class UnknownRobotError(DingdaError):
    """A message names a robot that does not exist; the text lists those that do."""


@dataclass(frozen=True, slots=True)
class RobotLabels:
    """What the robots are called, the first one first."""

    labels: tuple[str, ...]

    def to_json(self) -> bytes:
        """One JSON array of them."""
        return json.dumps(self.labels, ensure_ascii=False).encode()


class SimulatedRobots:
    """The robots of one DingTalk.

    Args:
        robots: each with its code and its secrets. The first is the one that messages are sent to
            unless they name another.
    """

    def __init__(self, robots: Sequence[Robot]) -> None:
        self._robots = tuple(robots)
        self._first = self._robots[0]

    @property
    def labels(self) -> RobotLabels:
        """What they are called."""
        return RobotLabels(tuple(robot.label for robot in self._robots))

    def called(self, name: str) -> Robot:
        """The robot of a name or a code; "" is the first.

        Raises:
            UnknownRobotError: if there is none.
        """
        named = (robot for robot in self._robots if name in (robot.name, robot.code))
        robot = next(named, None) if name else self._first
        if robot is None:
            raise UnknownRobotError(
                f"robot: none is called {name}; there are {', '.join(self.labels.labels)}. "
                "DINGDA_ROBOTS says which there are."
            )
        return robot

    def __iter__(self) -> Iterator[Robot]:
        return iter(self._robots)

    def of_code(self, code: str) -> Robot:
        """The robot that a callback with this code is sent to; the first for any other code."""
        return next((robot for robot in self._robots if robot.code == code), self._first)

    def shown_name(self, robot: Robot) -> str:
        """The one name of a robot in records, which is "" for the first."""
        return "" if robot is self._first else robot.label
