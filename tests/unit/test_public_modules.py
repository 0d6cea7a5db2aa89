"""The public modules: a pinned list of their names, light imports, and an example of each name."""

import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import dingda.skill
import dingda.slots
import dingda.testing
from tests.support.public_examples import MODULES, NEED_A_BOT, example_of, failures_of

ROOT = Path(__file__).parents[2]
NAMES = [pytest.param(m, name, id=f"{m.__name__}.{name}") for m in MODULES for name in m.__all__]
SKILL = """
CHINA LIMITS_MEANING MALFORMED MAX_TITLE_CHARS NO_LIMITS ActionButton ActionCard ActionContext
AddressBook Allow ArgumentNeeded At Backend
BackendBusyError BackendConfigError BackendError BackendProtocolError BackendQuotaError
BackendUnavailableError Bounds Button Cache Card CardAction ClarificationNeeded Context Databases
Event FeedCard FeedLink File FileMessage Group GrowingAnswer
HookContext Http Image InvalidReplyError JSONResponse
Limits LimitsSetting Markdown Media MediaFile MediaId Mention Message Person Picture Question Quoted
RefusalError Reply Services Skill SkillError SkillSettings Text Tick User Voice identifier link
picture_markdown plain shorten
"""
SLOTS = """
MAX_CHARS Day FoldedText FoundDays FoundPlace Match Pattern Period Place PriceLimit Slot
UnsupportedPatternError find_days find_places fold is_traditional to_simplified
"""
TESTING = """
CallbackFault CardState Completion Conversation DeadReason FaultSettings Inspection Member
MemoryCache MemoryMedia Mentioned MessageTimeline OpenAPIFault OpenAPIFaults Outcome People Pressed
Pushes Quotation Record ReplyFault Response SimulatedDingTalk SimulatorClient Toast UserMessage ask
fire listen press staff_id_of tick ticks_after
"""


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh Python has loaded once it has run some code."""
    code += "\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "names"),
    [(dingda.skill, SKILL), (dingda.slots, SLOTS), (dingda.testing, TESTING)],
    ids=lambda value: value.__name__ if isinstance(value, ModuleType) else "",
)
def test_a_public_module_offers_these_names(module: ModuleType, names: str) -> None:
    assert sorted(module.__all__) == sorted(names.split())


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_public_name_has_an_example_that_runs(module: ModuleType, name: str) -> None:
    example = example_of(module, name)
    assert example.examples
    if name not in NEED_A_BOT:  # those run in tests/e2e/test_pytest_plugin.py
        assert failures_of(example) == ""


def test_a_skill_loads_no_module_that_only_a_server_or_a_database_needs() -> None:
    loaded = loaded_by("import dingda.skill, dingda.slots")
    heavy = {"sqlalchemy", "aiohttp.web", "starlette", "uvicorn", "rq", "pytest"}
    rooms = {"dingda.gateway", "dingda.simulator", "dingda.testing", "dingda.worker.app"}
    assert loaded & (heavy | rooms) == set()


def test_the_kits_work_without_pytest() -> None:
    assert "pytest" not in loaded_by("import dingda.testing")


def test_the_plugin_loads_nothing_but_itself_until_a_fixture_is_used() -> None:
    ours = {name for name in loaded_by("import dingda.pytest_plugin") if name.startswith("dingda")}
    assert ours == {"dingda", "dingda.pytest_plugin"}


def test_the_package_registers_the_plugin_by_its_modules_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    plugin = "dingda.pytest_plugin"
    assert project["entry-points"]["pytest11"] == {plugin: plugin}
