"""`dingda schedules`: when, for whom, the next ticks, the last one, and what is not known."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from dingda.shared.ledger.schedule_facts import ScheduleFacts
from dingda.shared.ledger.schedule_states import ScheduleState
from dingda.shared.runtime.clock import CHINA
from dingda.worker.operations.schedules_list import find_schedules, show_schedules

FACTS = ScheduleFacts(
    robot_code="ding1",
    robot="小钉",
    skill="morning",
    function="report",
    cron="0 9 * * *",
    timezone="Asia/Shanghai",
    workdays=True,
    to=("group ops", "user 0001"),
    catch_up_s=3600,
)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


NOW_MS = ms("2026-11-28 12:00")
STATE = ScheduleState(
    FACTS, is_loaded=True, last_ms=ms("2026-11-27 09:00"), end="answered", missed_ms=None
)


def shown(*states: ScheduleState, as_json: bool = False, now_ms: int = NOW_MS) -> str:
    return show_schedules(states, as_json=as_json, now_ms=now_ms)


def test_a_schedule_is_shown_with_its_next_ticks_and_the_end_of_its_last_one() -> None:
    assert shown(STATE).splitlines() == [
        "morning.report",
        "  when    0 9 * * *  Asia/Shanghai  on workdays",
        "  to      group ops, user 0001",
        "  next    Mon 2026-11-30 09:00, Tue 2026-12-01 09:00, Wed 2026-12-02 09:00",
        "  last    Fri 2026-11-27 09:00  answered",
    ]


def test_times_are_in_the_schedules_own_time_zone() -> None:
    berlin = replace(FACTS, timezone="Europe/Berlin", workdays=False)
    assert "last    Fri 2026-11-27 02:00" in shown(STATE._replace(facts=berlin))


def test_what_was_missed_is_shown_and_what_is_not_known_is_said() -> None:
    state = STATE._replace(end="", missed_ms=ms("2026-11-26 09:00"))
    assert "last    Fri 2026-11-27 09:00  how it ended is not known any more" in shown(state)
    assert "missed  Thu 2026-11-26 09:00" in shown(state)
    assert "last    none yet" in shown(STATE._replace(last_ms=None, end=""))


def test_years_whose_holidays_are_not_known_are_named() -> None:
    text = shown(STATE, now_ms=ms("2098-12-31 12:00"))
    assert "note    the holidays of 2099 are not known: Monday to Friday are workdays" in text
    any_day = STATE._replace(facts=replace(FACTS, workdays=False))
    assert "note" not in shown(any_day, now_ms=ms("2098-12-31 12:00"))


def test_a_schedule_that_no_worker_has_is_said_to_have_no_next_tick() -> None:
    assert "next    never: no worker has it" in shown(STATE._replace(is_loaded=False))


def test_of_several_robots_each_is_named() -> None:
    other = STATE._replace(facts=replace(FACTS, robot_code="ding2", robot="小助手"))
    lines = shown(STATE, other).splitlines()
    assert "morning.report  (robot 小钉)" in lines
    assert "morning.report  (robot 小助手)" in lines


def test_json_has_all_of_it() -> None:
    (found,) = json.loads(shown(STATE, as_json=True))
    assert found["next"][0] == "2026-11-30T09:00:00+08:00"
    assert (found["last"], found["end"]) == ("2026-11-27T09:00:00+08:00", "answered")
    assert (found["workdays"], found["unknown_holidays"], found["missed"]) == (True, [], "")


def test_without_any_it_says_where_to_look() -> None:
    assert shown().startswith("No worker has told of a schedule")
    assert json.loads(shown(as_json=True)) == []


def test_what_another_version_or_a_foreign_hand_wrote_is_shown_on_one_line() -> None:
    strange: dict[str, Any] = {"cron": "no\x1b[31m cron", "timezone": "No/Where", "skill": "a\nb"}
    lines = shown(STATE._replace(facts=replace(FACTS, **strange))).splitlines()
    assert len(lines) == 5
    assert "\x1b" not in "".join(lines)
    assert "next    none is known" in lines[3]


def test_a_schedule_is_found_by_its_name_for_each_robot_that_has_it() -> None:
    other = STATE._replace(facts=replace(FACTS, robot_code="ding2"))
    changed = STATE._replace(facts=replace(FACTS, cron="0 10 * * *"))
    gone = STATE._replace(facts=replace(FACTS, robot_code="ding3"), is_loaded=False)
    states = [STATE, other, changed, gone]
    found = find_schedules(states, "morning.report", None)
    assert [facts.robot_code for facts in found] == ["ding1", "ding2"]
    assert [facts.robot_code for facts in find_schedules(states, "morning.report", "ding2")] == [
        "ding2"
    ]
    assert find_schedules(states, "morning", None) == []
