"""Schedules on real processes: ticks that two workers see, and `dingda schedules` beside them."""

import json
import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from dingda.shared.ledger.keys import LedgerKeys
from tests.support.processes import Valkey, process, valkey, wait_until, worker
from tests.support.schedules import OneTick


def typed(url: str, *arguments: str) -> tuple[int, str]:
    """What a command prints, and its exit status. It knows no skill."""
    command = ("-m", "dingda", "schedules", *arguments)
    env = {"DINGDA_REDIS_URL": url, "DINGDA_SKILLS": "dingda.worker.skills.demo"}
    with process(*command, env=env) as ran:
        status = ran.popen.wait(60)
    return status, ran.output


def answered(server: Valkey) -> int:
    with server.client() as client:
        return int(client.hget(LedgerKeys("dingda").count, "answered") or 0)


@pytest.mark.timeout(180)
def test_a_tick_of_two_workers_is_run_once_and_operators_see_it_and_run_another(
    tmp_path: Path,
) -> None:
    with valkey(tmp_path) as server, ExitStack() as workers:
        schedule = OneTick.on(server, tmp_path)
        schedule.remember()
        status, told = typed(server.url)
        assert (status, told.split(":")[0]) == (0, "No worker has told of a schedule")
        for _ in range(2):
            workers.enter_context(worker(server.url, **schedule.settings))
        wait_until(lambda: answered(server) == 1)
        assert [at_ms for at_ms, _ in schedule.calls] == [schedule.at_ms]

        status, told = typed(server.url, "--json")
        (listed,) = json.loads(told)
        assert (status, listed["name"], listed["cron"]) == (0, "ticking.report", schedule.cron)
        assert listed["last"] == schedule.at.isoformat()
        assert (listed["end"], listed["is_loaded"]) == ("answered", True)

        status, told = typed(server.url, "run", "ticking.report")
        assert (status, told.split("  ")[0]) == (0, "ticking.report")
        wait_until(lambda: answered(server) == 2)
        (_, tick_key), (_, run_key) = schedule.calls
        assert tick_key != run_key
        found = re.search(r"dingda trace (\w+)", told)
        assert found is not None
        assert run_key.startswith(found[1])

        status, told = typed(server.url, "run", "ticking.nothing")
        assert status == 1
        assert "No worker has a schedule ticking.nothing; there are: ticking.report" in told
