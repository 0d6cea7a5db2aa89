"""The robots that one deployment answers for, and which of them a message was said to.

Values alone: `shared.runtime.robots_file` reads them. Each robot belongs to an application of its
own, with an AppKey and an AppSecret; DingTalk puts its code into each message ("receive-message").
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

NO_CODES = ("", "normal")
"""The `robotCode` of messages that name no robot: absent in old ones, "normal" of legacy and debug
robots. Then the secret that signed the message says which robot it was said to, and the gateway
writes that robot's code into it."""


@dataclass(frozen=True, slots=True)
class Robot:
    """A robot, and what is its own."""

    code: str
    """DingTalk's `robotCode`: the AppKey, as a rule. "" where nobody has said."""
    name: str = ""
    """What people type behind the @, or ""."""
    app_key: str = ""
    """The application's AppKey (Client ID), or ""."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Its active AppSecrets, in the clear; the first is the one to sign in with."""
    mode: Literal["http", "stream"] = "http"
    """Whether a Stream connection is to be kept open for it. Callbacks over HTTP are taken in
    either mode."""
    skills: tuple[str, ...] = ()
    """The modules of its skills; empty: those of all robots."""
    conversations: tuple[str, ...] = ()
    """The groups that it answers in, by conversationId; empty: all."""
    card_template: str = ""
    """The id of the template that its cards are shown by; "": as messages with buttons."""
    card_callback: Literal["", "http", "stream"] = ""
    """How DingTalk tells of presses on its cards; "": as of messages, by `mode`."""
    answer_card_template: str = ""
    """The id of the template that its answers grow on; "": that of all robots."""

    @property
    def label(self) -> str:
        """A short name for logs, metrics and status; no two robots share it."""
        return self.name or self.code or "default"

    @property
    def openapi_code(self) -> str:
        """What DingTalk's OpenAPI knows it by: the AppKey, where nobody has said otherwise."""
        return self.code or self.app_key


@dataclass(frozen=True, slots=True)
class Robots:
    """All robots of a deployment: one at the least."""

    robots: tuple[Robot, ...]
    takes_any_code: bool = False
    """Whether the only robot answers whatever code a message names: the one of the settings
    DINGDA_APP_SECRET, DINGDA_APP_KEY and DINGDA_ROBOT_CODE."""

    def __iter__(self) -> Iterator[Robot]:
        """The robots, in the order in which they are written."""
        return iter(self.robots)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.robots)

    def find(self, robot_code: str) -> Robot | None:
        """The robot that a message with this code was said to.

        Returns:
            None if it is none of ours; or if the message names no robot, and there are several.
        """
        if len(self.robots) > 1 and robot_code in NO_CODES:
            return None
        return next((robot for robot in self.robots if self.is_said_to(robot, robot_code)), None)

    def is_said_to(self, robot: Robot, robot_code: str) -> bool:
        """Whether a message with this code may have been said to a robot that is known to be ours.

        A transport calls it for the robot whose secret signed the message, or whose connection it
        came by: nobody can speak to one robot with the secret of another.
        """
        return self.takes_any_code or robot_code == robot.code or robot_code in NO_CODES

    def __str__(self) -> str:
        """Their labels and modes, without secrets; "" for the only one of the plain settings."""
        if self.takes_any_code:
            return ""
        return ", ".join(f"{robot.label} ({robot.mode})" for robot in self.robots)


ANY_ROBOT = Robots((Robot(""),), takes_any_code=True)
"""The one robot where nothing is set."""
