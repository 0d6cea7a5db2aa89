"""Authors import three modules, which stay sufficient because our own skills do the same."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AUTHORS_MODULES = {"dingda.skill", "dingda.slots", "dingda.testing"}
OUR_SKILLS = "dingda.worker.skills."
"""Our skills, whose parts import one another as well."""
PAGES = ("README.md", "README.zh-CN.md", *sorted(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")))
AUTHORS_PAGES = [
    f"docs/{name}.md"
    for name in (
        "first-skill",
        "arguments",
        "context",
        "replies",
        "runs-twice",
        "backends",
        "events",
        "packaging",
        "troubleshooting",
        "testing",
        "simulator",
    )
]
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"\bdingda\.(?:worker|shared|gateway|simulator)\b[.\w]*")
_SHIPPED = re.compile(r"dingda\.worker\.skills\b")


def modules_imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def not_for_authors(source: str) -> set[str]:
    return {
        module
        for module in modules_imported(source)
        if re.match(r"dingda\b|\.", module) and module not in AUTHORS_MODULES
    }


def sources() -> list[Path]:
    return [*(ROOT / "worker" / "skills").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_skill_imports_what_authors_may(path: Path) -> None:
    wrong = not_for_authors(path.read_text("utf-8"))
    assert {module for module in wrong if not f"{module}.".startswith(OUR_SKILLS)} == set()


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_a_page_import_only_public_modules(page: str) -> None:
    blocks = _BLOCK.findall((ROOT / page).read_text("utf-8"))
    assert set().union(*map(not_for_authors, blocks)) == set()


@pytest.mark.parametrize("page", [*AUTHORS_PAGES, *PAGES[:2]])
def test_a_page_for_authors_names_no_module_that_is_not_theirs(page: str) -> None:
    named = _NAMED.findall((ROOT / page).read_text("utf-8"))
    assert [name for name in named if not _SHIPPED.match(name)] == []


def test_nothing_below_the_public_modules_imports_them() -> None:
    rooms = [
        path for room in ("gateway", "shared", "simulator") for path in ROOT.glob(f"{room}/**/*.py")
    ]
    worker = [path for path in ROOT.glob("worker/**/*.py") if path not in sources()]
    public = AUTHORS_MODULES | {"dingda.pytest_plugin"}
    assert [
        str(path.relative_to(ROOT))
        for path in (*rooms, *worker)
        if public & set(modules_imported(path.read_text("utf-8")))
    ] == []


def test_the_check_itself_finds_what_is_not_for_authors() -> None:
    source = "from dingda.worker.language import text\nimport dingda.shared.queue\nfrom . import x"
    assert not_for_authors(source) == {"dingda.worker.language", "dingda.shared.queue", "."}
    assert not_for_authors("from dingda.skill import Skill\nimport re, dingda.testing") == set()
