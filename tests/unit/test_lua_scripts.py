"""The arguments of a script have the same names in the same order on both sides, Python and Lua."""

import re
from dataclasses import dataclass
from importlib import resources

import pytest

from dingda.shared.ledger.scripts import (
    ENQUEUES,
    SCRIPTS,
    AcceptArguments,
    AcceptEntry,
    RequeueArguments,
    RequeueEntry,
)
from dingda.worker.engine.completer import CompleteArguments, EndedEntry
from dingda.worker.engine.fetcher import FetchArguments, FetchEntry


@dataclass(frozen=True)
class Script:
    """A script, and what Python passes to it."""

    package: str
    name: str
    arguments: tuple[str, ...]
    entry: tuple[str, ...] = ()
    """What follows the arguments for each message or job; () where nothing does."""
    enqueues: bool = False
    """Whether the job's fields, counted, come between the arguments and the entries."""

    @property
    def text(self) -> str:
        """The script, without what all of its folder begin with."""
        return lua(self.package, self.name)


LEDGER, ENGINE = "dingda.shared.ledger", "dingda.worker.engine"
LEDGER_ENTRIES = {AcceptArguments: AcceptEntry._fields, RequeueArguments: RequeueEntry._fields}
ALL = [
    *(
        Script(LEDGER, name, kind._fields, LEDGER_ENTRIES.get(kind, ()), kind in ENQUEUES)
        for kind, name in SCRIPTS.items()
    ),
    Script(ENGINE, "fetch", FetchArguments._fields, FetchEntry._fields),
    Script(ENGINE, "complete", CompleteArguments._fields, EndedEntry._fields),
]
PREFIXES = re.compile(
    r"^local ([\w, ]+) = unpack\(ARGV, 1, (\d+)\)\nlocal OWN = (\d+)$", re.MULTILINE
)
OWN = re.compile(r"^local ([\w,\s]+) = unpack\(ARGV, OWN, OWN(?: \+ (\d+))?\)$", re.MULTILINE)
COUNTED = re.compile(r"^local job_fields(?:, first)? = counted\(OWN \+ (\d+)\)$", re.MULTILINE)
ENTRY = re.compile(
    r"^for at = (first|OWN \+ \d+), #ARGV(?:, (\d+))? do\n"
    r"  local ([\w, ]+) = unpack\(ARGV, at, at(?: \+ (\d+))?\)$",
    re.MULTILINE,
)
each_script = pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
each_folder = pytest.mark.parametrize("package", [LEDGER, ENGINE])


def lua(package: str, name: str) -> str:
    """A file of a package's folder of scripts."""
    return (resources.files(package) / "lua" / f"{name}.lua").read_text("utf-8")


def names(listed: str) -> tuple[str, ...]:
    return tuple(re.split(r",\s+", listed))


@each_folder
def test_every_script_has_its_arguments(package: str) -> None:
    folder = resources.files(package) / "lua"
    scripts = {each.name.removesuffix(".lua") for each in folder.iterdir()}
    assert scripts == {"common", *(script.name for script in ALL if script.package == package)}


@each_folder
def test_a_scripts_own_arguments_begin_after_those_of_all(package: str) -> None:
    ((listed, last, own),) = PREFIXES.findall(lua(package, "common"))
    assert len(names(listed)) == int(last) == int(own) - 1


@each_script
def test_a_script_unpacks_its_arguments_by_name_and_in_order(script: Script) -> None:
    ((listed, last),) = OWN.findall(script.text)
    assert names(listed) == script.arguments
    assert int(last or 0) + 1 == len(script.arguments)


@each_script
def test_a_script_that_enqueues_counts_the_fields_of_the_job(script: Script) -> None:
    counted = [int(at) for at in COUNTED.findall(script.text)]
    assert counted == ([len(script.arguments)] if script.enqueues else [])


@each_script
def test_a_script_unpacks_its_entries_by_name_and_in_order(script: Script) -> None:
    found = [
        (begin, int(step or 1), names(listed), int(last or 0) + 1)
        for begin, step, listed, last in ENTRY.findall(script.text)
    ]
    begin = "first" if script.enqueues else f"OWN + {len(script.arguments)}"
    length = len(script.entry)
    assert found == ([(begin, length, script.entry, length)] if script.entry else [])


@each_script
def test_a_script_reads_no_argument_by_a_position_of_its_own(script: Script) -> None:
    assert re.findall(r"ARGV\[|unpack\(ARGV, \d", script.text) == []


@each_script
def test_the_head_of_a_script_says_what_each_argument_is(script: Script) -> None:
    comment = " ".join(re.findall(r"^-- ?(.*)$", script.text, re.MULTILINE))
    _, _, said = comment.partition("Own argument")
    for fields in (script.arguments, script.entry):
        positions = [re.search(rf"\b{field}\b", said) for field in fields]
        assert None not in positions
        starts = [found.start() for found in positions if found]
        assert starts == sorted(starts)
