"""What a check before the start has found."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    severity: Severity
    what: str
    advice: str = ""
    """What to do about it."""
    robot: str = ""
    """The label of the robot that it is about; "" for what all share."""

    def __str__(self) -> str:
        name = f"{self.robot}: {self.name}" if self.robot else self.name
        line = f"{self.severity}: {name}: {self.what}"
        return f"{line}; {self.advice}" if self.advice else line
