"""A script takes the arguments that Python passes, by name and in order, and has what it needs."""

import re
from dataclasses import dataclass
from importlib import resources

import pytest
from lupa.lua51 import LuaRuntime

from dingda.shared.ledger.scripts import (
    ENQUEUES,
    SCRIPTS,
    AcceptArguments,
    AcceptEntry,
    RequeueArguments,
    RequeueEntry,
    TickArguments,
    TickEntry,
)
from dingda.shared.runtime.lua_source import lua_source, needs
from dingda.worker.engine.completer import CompleteArguments, EndedEntry
from dingda.worker.engine.fetcher import FetchArguments
from dingda.worker.services.call_rate import PauseCallsArguments, TakeCallArguments


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
SERVICES = "dingda.worker.services"
LEDGER_ENTRIES = {
    AcceptArguments: AcceptEntry._fields,
    RequeueArguments: RequeueEntry._fields,
    TickArguments: TickEntry._fields,
}
ALL = [
    *(
        Script(LEDGER, name, kind._fields, LEDGER_ENTRIES.get(kind, ()), kind in ENQUEUES)
        for kind, name in SCRIPTS.items()
    ),
    Script(ENGINE, "fetch", FetchArguments._fields),
    Script(ENGINE, "complete", CompleteArguments._fields, EndedEntry._fields),
    Script(SERVICES, "take_call", TakeCallArguments._fields),
    Script(SERVICES, "pause_calls", PauseCallsArguments._fields),
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
PARTS = {
    each.name.removesuffix(".lua"): each.read_text("utf-8")
    for each in (resources.files(LEDGER) / "lua" / "parts").iterdir()
}
SOURCES = PARTS | {
    name: (resources.files(LEDGER) / "lua" / f"{name}.lua").read_text("utf-8")
    for name in ("common", *SCRIPTS.values())
}
DEFINED = re.compile(r"^local (?:function )?(\w+)", re.MULTILINE)
COMMENT_OR_STRING = re.compile(r"--.*|'[^']*'")
each_folder = pytest.mark.parametrize("package", [LEDGER, ENGINE, SERVICES])


def lua(package: str, name: str) -> str:
    """A file of a package's folder of scripts."""
    return (resources.files(package) / "lua" / f"{name}.lua").read_text("utf-8")


def names(listed: str) -> tuple[str, ...]:
    return tuple(re.split(r",\s+", listed))


@each_folder
def test_every_script_has_its_arguments(package: str) -> None:
    folder = resources.files(package) / "lua"
    scripts = {each.name.removesuffix(".lua") for each in folder.iterdir() if each.is_file()}
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


@each_script
def test_a_script_can_be_compiled_with_what_it_needs(script: Script) -> None:
    LuaRuntime().compile(lua_source(script.package, script.name))


@pytest.mark.parametrize("name", SOURCES)
def test_a_script_or_part_names_the_parts_that_it_uses_and_no_other(name: str) -> None:
    words = set(re.findall(r"\w+", COMMENT_OR_STRING.sub("", SOURCES[name])))
    others = {part: text for part, text in PARTS.items() if part != name}
    used = [part for part, text in others.items() if words & set(DEFINED.findall(text))]
    assert needs(SOURCES[name]) == sorted(used)


def test_every_part_is_needed() -> None:
    assert set(PARTS) == {part for source in SOURCES.values() for part in needs(source)}
