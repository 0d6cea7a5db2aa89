"""Chinese pages say what the English ones do: the same snippets, names, figures, tables, links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
READMES = [
    f"../{path.relative_to(ROOT)}"
    for path in (ROOT / "README.md", *sorted(ROOT.glob("examples/*/README.md")))
]
ENGLISH_ONLY = {"dependencies.md", "faults.md", "regressions.md", "tried.md"}
"""Lists for those who change Dingda, in part written by a program."""
_FENCE = re.compile(r"^( *)```(\w*).*?\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ITEM = re.compile(r"^ *(?:-|\d+\.) ", re.MULTILINE)
_FIGURE = re.compile(r"(?<![A-Za-z0-9_.,])\d[\d,]*(?:\.\d+)?")
_ROW = re.compile(r"^ *\|.*\|$", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|(?<=\s))#\s.*$|\"\"\".*?\"\"\"", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Section:
    """What a heading and its translation have in common, down to the next heading."""

    level: int
    snippets: list[tuple[str, str]]
    names: set[str]
    rows: list[int]
    links: list[str]
    blocks: int
    items: int
    figures: set[str]


def pages() -> list[str]:
    found = (path.relative_to(DOCS) for path in DOCS.rglob("*.md"))
    return sorted(str(path) for path in found if path.parts[0] != "zh")


def translated() -> list[str]:
    return [page for page in pages() if page not in ENGLISH_ONLY]


def both(page: str) -> tuple[list[Section], list[Section]]:
    original = (DOCS / page).resolve()
    return sections(original), sections(chinese(original))


def sections(path: Path) -> list[Section]:
    """Read a page; what is before the first heading counts as a section too."""
    text = path.read_text("utf-8")
    snippets = [(match.start(), match[2], uncommented(match[3])) for match in _FENCE.finditer(text)]
    prose = _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    assert len(prose) == len(text)
    starts = [match.start() for match in _HEADING.finditer(prose)]
    ends = [*starts[1:], len(prose)]
    return [
        Section(
            level=len(re.match("#+", prose[start:])[0]),  # type: ignore[index]
            snippets=[(kind, code) for at, kind, code in snippets if start < at < end],
            names={" ".join(name.split()) for name in _CODE.findall(prose[start:end])},
            rows=[row.count("|") - row.count(r"\|") for row in _ROW.findall(prose[start:end])],
            links=sorted(destinations(path, prose[start:end])),
            blocks=len(re.findall(r"\S\n(?= *\n)", prose[start:end])),
            items=len(_ITEM.findall(prose[start:end])),
            figures=set(figures(prose[start:end])),
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def figures(text: str) -> Iterator[str]:
    """Numbers written in digits, which are the same in both languages."""
    words = _ITEM.sub("", _LINK.sub("]", _CODE.sub("", text)))
    return (figure.rstrip(",") for figure in _FIGURE.findall(words))


def uncommented(code: str) -> str:
    lines = (line.rstrip() for line in _COMMENT.sub("", code).splitlines())
    return "\n".join(line for line in lines if line)


def destinations(path: Path, text: str) -> Iterator[str]:
    """Where links lead: the page's English name, and the number of the heading on it."""
    for target in _LINK.findall(text):
        if re.match(r"\w+:", target):
            yield target
            continue
        name, _, anchor = target.partition("#")
        page = (path.parent / name).resolve() if name else path
        assert page.exists(), f"{path} links to {target}, which is not there"
        in_english = english(page)
        heading = ""
        if anchor:
            assert anchor in anchors(page), f"{path} links to {target}: no such heading"
            heading = f" heading {anchors(page).index(anchor) + 1}"
        if path != english(path) and page == in_english != english(path):
            assert not chinese(page).exists(), f"{path} links to {target} in English"
        yield f"{in_english}{heading}"


def english(page: Path) -> Path:
    if page.is_relative_to(DOCS / "zh"):
        return DOCS / page.relative_to(DOCS / "zh")
    return page.with_name(page.name.replace(".zh-CN.", "."))


def chinese(page: Path) -> Path:
    if page.suffix == ".md" and page.is_relative_to(DOCS):
        return DOCS / "zh" / page.relative_to(DOCS)
    return page.with_name(f"{page.stem}.zh-CN{page.suffix}")


@cache
def anchors(page: Path) -> list[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    prose = _FENCE.sub("", page.read_text("utf-8"))
    made: list[str] = []
    for _, title in _HEADING.findall(prose):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        before = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", each) is not None for each in made)
        made.append(f"{slug}-{before}" if before else slug)
    return made


def test_the_index_leads_to_each_page() -> None:
    links = _LINK.findall((DOCS / "README.md").read_text())
    listed = {name.partition("#")[0] for name in links if not name.startswith("../")}
    assert listed == set(pages()) - {"README.md"}


@pytest.mark.parametrize("page", translated())
def test_each_page_has_a_translation(page: str) -> None:
    assert (DOCS / "zh" / page).exists()


def test_each_translation_is_of_a_page_and_none_is_of_one_that_is_english_only() -> None:
    assert [str(path.relative_to(DOCS / "zh")) for path in sorted((DOCS / "zh").rglob("*.md"))] == (
        translated()
    )
    assert set(pages()) >= ENGLISH_ONLY


@pytest.mark.parametrize("page", [*READMES, *translated()])
def test_a_translation_has_the_same_headings(page: str) -> None:
    ours, theirs = both(page)
    assert [each.level for each in ours] == [each.level for each in theirs]


@pytest.mark.parametrize("page", translated())
def test_a_translation_has_the_same_snippets_but_for_comments(page: str) -> None:
    ours, theirs = both(page)
    assert [each.snippets for each in ours] == [each.snippets for each in theirs]


@pytest.mark.parametrize("page", [*READMES, *translated()])
def test_a_translation_names_the_same_code_and_has_the_same_tables(page: str) -> None:
    ours, theirs = both(page)
    assert [(each.names, each.rows) for each in ours] == [
        (each.names, each.rows) for each in theirs
    ]


@pytest.mark.parametrize("page", [*READMES, *translated()])
def test_a_translation_links_to_the_same_places_in_its_own_language(page: str) -> None:
    ours, theirs = both(page)
    assert [each.links for each in ours] == [each.links for each in theirs]


@pytest.mark.parametrize("page", [*READMES, *translated()])
def test_a_translation_has_as_many_paragraphs_and_list_items(page: str) -> None:
    ours, theirs = both(page)
    assert [(each.blocks, each.items) for each in ours] == [
        (each.blocks, each.items) for each in theirs
    ]


@pytest.mark.parametrize("page", [*READMES, *translated()])
def test_a_translation_has_the_same_figures(page: str) -> None:
    ours, theirs = both(page)
    assert [each.figures for each in ours] == [each.figures for each in theirs]


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("`ask`", "`tell`"),
        ("| a | b |", "| a |"),
        ("[it](page.md#a-part)", "[it](page.md)"),
        ("return 1", "return 2"),
        ("## A part", "### A part"),
        ("within 2 s", "within 3 s"),
        ("- one\n", ""),
        ("1. two\n", ""),
        ("Said.\n\n", "Said.\n"),
    ],
)
def test_the_comparison_sees_what_differs(said: str, instead: str, tmp_path: Path) -> None:
    text = (
        "# Page\n\n`ask` [it](page.md#a-part)\n\n| a | b |\n\n"
        "## A part\n\n```sh\nreturn 1 # one\n```\n\nSaid.\n\nwithin 2 s\n\n- one\n1. two\n"
    )
    assert said in text
    page = tmp_path / "page.md"
    page.write_text(text)
    original = sections(page)
    page.write_text(text.replace("# one", "# 一"))
    assert sections(page) == original
    page.write_text(text.replace(said, instead))
    assert sections(page) != original
