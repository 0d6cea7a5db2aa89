"""The arguments of a script have the same names in the same order on both sides, Python and Lua."""

import re
from importlib import resources

import pytest

from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.scripts import (
    ENQUEUES,
    SCRIPTS,
    AcceptArguments,
    AcceptEntry,
    Arguments,
    RequeueArguments,
    RequeueEntry,
)
from dingda.shared.queue import job_id_of, message_of_job
from tests.support.builders import a_message
from tests.support.ledger_harness import LedgerHarness

FOLDER = resources.files("dingda.shared.ledger") / "lua"
ENTRIES: dict[type[Arguments], type[AcceptEntry | RequeueEntry]] = {
    AcceptArguments: AcceptEntry,
    RequeueArguments: RequeueEntry,
}
"""What follows the arguments of the scripts that take any number of messages."""
OWN = re.compile(r"^local ([\w,\s]+) = unpack\(ARGV, OWN, OWN(?: \+ (\d+))?\)$", re.MULTILINE)
COUNTED = re.compile(r"^local job_fields(?:, first)? = counted\(OWN \+ (\d+)\)$", re.MULTILINE)
ENTRY = re.compile(
    r"^for at = first, #ARGV, (\d+) do\n  local ([\w, ]+) = unpack\(ARGV, at, at \+ (\d+)\)$",
    re.MULTILINE,
)
by_kind = pytest.mark.parametrize(("kind", "name"), SCRIPTS.items(), ids=SCRIPTS.values())


def script(name: str) -> str:
    """A script, without what they all begin with."""
    return (FOLDER / f"{name}.lua").read_text("utf-8")


def names(listed: str) -> tuple[str, ...]:
    return tuple(re.split(r",\s+", listed))


def fields_of(kind: type[Arguments]) -> tuple[str, ...]:
    return kind._fields


def test_every_script_has_its_arguments() -> None:
    scripts = {each.name.removesuffix(".lua") for each in FOLDER.iterdir()}
    assert scripts == {"common", *SCRIPTS.values()}


@by_kind
def test_a_script_unpacks_its_arguments_by_name_and_in_order(
    kind: type[Arguments], name: str
) -> None:
    ((listed, last),) = OWN.findall(script(name))
    assert names(listed) == fields_of(kind)
    assert int(last or 0) + 1 == len(fields_of(kind))


@by_kind
def test_a_script_that_enqueues_counts_the_fields_of_the_job(
    kind: type[Arguments], name: str
) -> None:
    counted = [int(at) for at in COUNTED.findall(script(name))]
    assert counted == ([len(fields_of(kind))] if kind in ENQUEUES else [])


@by_kind
def test_a_script_unpacks_its_messages_by_name_and_in_order(
    kind: type[Arguments], name: str
) -> None:
    entry = ENTRIES.get(kind)
    found = [
        (int(step), names(listed), int(last) + 1)
        for step, listed, last in ENTRY.findall(script(name))
    ]
    assert found == ([(len(entry._fields), entry._fields, len(entry._fields))] if entry else [])


@pytest.mark.parametrize("name", SCRIPTS.values())
def test_a_script_reads_no_argument_by_a_position_of_its_own(name: str) -> None:
    assert re.findall(r"ARGV\[|unpack\(ARGV, \d", script(name)) == []


@by_kind
def test_the_head_of_a_script_says_what_each_argument_is(kind: type[Arguments], name: str) -> None:
    comment = " ".join(re.findall(r"^-- ?(.*)$", script(name), re.MULTILINE))
    _, _, said = comment.partition("Own argument")
    positions = [re.search(rf"\b{field}\b", said) for field in fields_of(kind)]
    assert None not in positions
    starts = [found.start() for found in positions if found]
    assert starts == sorted(starts)


def test_the_keys_keep_their_names() -> None:
    """They are in Redis: to change one would lose what is stored under it."""
    keys = LedgerKeys("dingda")
    named = (keys.count, keys.dead, keys.due, keys.queued, keys.resting, keys.line("k"))
    assert named == (
        "dingda:count",
        "dingda:dead",
        "dingda:due",
        "dingda:queued",
        "dingda:resting",
        "dingda:line:k",
    )
    assert keys.message("id") == "dingda:message:id"
    assert keys.dead_letter_payload("id") == "dingda:letter:id"


async def test_a_jobs_id_is_made_and_read_as_the_scripts_do(harness: LedgerHarness) -> None:
    message = a_message()
    await harness.accept(message)
    job_id = await harness.pop()
    assert job_id is not None
    assert job_id == job_id_of(message.id, 1)
    assert message_of_job(job_id) == message.id
