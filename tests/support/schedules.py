"""A schedule with one tick a year, when a test wants it, on real processes."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dingda.shared.ledger.schedule_facts import ScheduleFacts
from tests.support.builders import KEYS
from tests.support.processes import Valkey

MINUTE_MS, DAY_MS = 60_000, 86_400_000


@dataclass(frozen=True)
class OneTick:
    """A schedule with one tick a year, and what its function wrote down."""

    server: Valkey
    file: Path
    at: datetime

    @classmethod
    def on(cls, server: Valkey, folder: Path, *, in_minutes: int = -60) -> "OneTick":
        """Its tick is in so many minutes from the one that runs."""
        at = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=in_minutes)
        return cls(server, folder / "ticked", at)

    @property
    def cron(self) -> str:
        return f"{self.at.minute} {self.at.hour} {self.at.day} {self.at.month} *"

    @property
    def settings(self) -> dict[str, str]:
        """What a worker that has it is set to."""
        return {
            "DINGDA_SKILLS": "tests.e2e.ticking_skill",
            "TESTS_TICKING_CRON": self.cron,
            "TESTS_TICKING_FILE": str(self.file),
        }

    def pushing(self, origin: str) -> dict[str, str]:
        """The same, where it pushes what it returns to a custom robot at an origin."""
        webhook = f"{origin}/robot/send?access_token=t&session=ops"
        own = {"DINGDA_GROUPS": json.dumps({"ops": webhook}), "TESTS_TICKING_SAYS": "到点了"}
        return self.settings | own

    @property
    def at_ms(self) -> int:
        return round(self.at.timestamp() * 1000)

    @property
    def key(self) -> str:
        """Where Redis remembers its ticks."""
        facts = ScheduleFacts(
            robot_code="",
            robot="",
            skill="ticking",
            function="report",
            cron=self.cron,
            timezone="UTC",
            workdays=False,
            to=(),
            catch_up_s=86_400,
        )
        return KEYS.ticks(facts.id)

    def remember(self, **ticks: int) -> None:
        """Let Redis remember ticks, or marks, by their time; else that it knows it for a day."""
        with self.server.client() as client:
            client.zadd(self.key, ticks or {"since": self.at_ms - DAY_MS})

    @property
    def calls(self) -> list[tuple[int, str]]:
        """What its function was called for: when that was due, and the key."""
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        return [(int(line.split()[0]), line.split()[1]) for line in lines]

    @property
    def is_known(self) -> bool:
        """Whether a worker has told of it, so that its ticks count."""
        with self.server.client() as client:
            return bool(client.exists(self.key))

    @property
    def is_listed(self) -> bool:
        """Whether a worker has told of it."""
        with self.server.client() as client:
            return bool(client.exists(KEYS.schedules))
