"""The blocks of code that our pages show."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")
PAGES = tuple(
    str(path.relative_to(ROOT))
    for path in (
        *map(ROOT.joinpath, READMES),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "examples").glob("*/README.md")),
    )
)
_FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Snippet:
    """A block of code on a page."""

    page: str
    kind: str
    """The language that its fence names; "" without one."""
    number: int
    """Which of its kind it is on its page, from 1."""
    code: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def snippets(*kinds: str, page: str = "") -> list[Snippet]:
    """Every block of these kinds, of all pages or of one; of all kinds if none is named."""
    return [
        each
        for path in ((page,) if page else PAGES)
        for each in _on_page(path)
        if not kinds or each.kind in kinds
    ]


def _on_page(page: str) -> list[Snippet]:
    found: list[Snippet] = []
    for _, kind, code in _FENCE.findall((ROOT / page).read_text("utf-8")):
        number = 1 + sum(each.kind == kind for each in found)
        found.append(Snippet(page, kind, number, dedent(code)))
    return found
