"""Links between the pages lead to files and headings that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = (*ROOT.glob("docs/*.md"), *ROOT.glob("docs/skills/*.md"))
"""Those in English; `test_translations.py` compares the links of the others with theirs."""
PAGES = sorted({*ROOT.glob("*.md"), *DOCS, *ROOT.glob("examples/*/*.md")})
_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_WEB = ("http://", "https://", "mailto:", "dtmd:")


def prose(page: Path) -> str:
    """A page without its blocks of code and its code within sentences."""
    return re.sub(r"`[^`\n]*`", "", _FENCED.sub("", page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = _HEADING.findall(_FENCED.sub("", page.read_text("utf-8")))
    shown = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", each) for each in headings]
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in shown}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_something(page: Path) -> None:
    wrong = []
    for link in _LINK.findall(prose(page)):
        name, _, anchor = link.partition("#")
        if link.startswith(_WEB):
            continue
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []
