"""The docs' site in one language: Sphinx's settings, and what GitHub does but Sphinx doesn't.

`make docs` builds docs/ into dist/site/en and docs/zh into dist/site/zh. The pages are written to
be read on GitHub as well, so there is no `toctree` in them, and they link to files of the checkout.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

from docstrings import (
    convert_docstring,
    convert_signature,
    describe_constants,
    keep_enumerated,
)
from search import SearchMixed

DOCS = Path(__file__).parents[1]
LANGUAGES = {"en": (DOCS, "English"), "zh_CN": (DOCS / "zh", "中文")}
CAPTIONS = {"en": ("Read in this order", "When you need it"), "zh_CN": ("按顺序读", "用到时再读")}
SOURCE_URL = os.environ.get("SOURCE_URL", DOCS.parent.as_uri())
"""Where the files are that are no pages: this checkout, or one that readers of the site can see."""

project = "Dingda 钉答"
copyright = "Dingda"  # noqa: A001 - Sphinx's name for it
language = "en"
root_doc = "README"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["site", "zh"]
templates_path = ["templates"]
myst_heading_anchors = 4
myst_url_schemes = {
    **dict.fromkeys(("http", "https", "mailto")),
    "source": {"url": f"{SOURCE_URL}/{{{{path}}}}#{{{{fragment}}}}"},
    "other": {"url": "{{path}}#{{fragment}}"},  # the same site, in the other language
}
suppress_warnings = [
    "misc.highlighting_failure",  # a block that is cut short with "…"
    "ref.python",  # `type` in a signature is Python's, and no attribute of that name
]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "imported-members": True}
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = project
html_logo = html_favicon = "../../simulator/page/static/icon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["scrolling.js"]
html_additional_pages = {"index": "index.html"}
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/language.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}

_LINK = re.compile(r"\]\((?!\w+:|#|/)([^)#\s]+)(#[^)\s]*)?\)")
_TABLE = re.compile(r"(?:^\|.*\n?)+", re.MULTILINE)
_PARAMETERS = re.compile(r"<dl>\n((?:<dd>.*</dd>\n)+)</dl>")


def lead_out_of_the_site(app: Sphinx, page: str, source: list[str]) -> None:
    """Give links to what is outside of this language's pages an address on the Web."""
    here = (Path(app.srcdir) / page).parent

    def address(link: re.Match[str]) -> str:
        path = (here / link[1]).resolve()
        copied = path.is_relative_to(app.srcdir) or path.is_relative_to(DOCS / "img")
        if copied or not path.exists():
            return link[0]
        anchor = link[2] or ""
        if path.suffix == ".md" and path.is_relative_to(DOCS):
            up = "../" * (page.count("/") + 1)
            return f"](other:{up}en/{path.relative_to(DOCS).with_suffix('.html')}{anchor})"
        return f"](source:{path.relative_to(DOCS.parent)}{anchor})"

    source[0] = _LINK.sub(address, source[0])


def list_pages(app: Sphinx, page: str, source: list[str]) -> None:
    """Make the sidebar of the index: one part for each of its tables."""
    if page != root_doc:
        return
    tables = _TABLE.findall(source[0])
    for caption, table in zip(CAPTIONS[app.config.language], tables, strict=True):
        pages = [path for path, _ in _LINK.findall(table) if not path.startswith("..")]
        source[0] += "\n".join(
            ["\n\n```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```\n"]
        )


def anchor_headings_as_github_does(_app: Sphinx, doctree: nodes.document) -> None:
    """Docutils' own anchors are ASCII, so that Chinese headings would be numbered."""
    for section in doctree.findall(nodes.section):
        slug = section.get("slug")
        if slug and slug not in section["ids"]:
            section["ids"].append(slug)


def offer_languages(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], _doctree: nodes.document | None
) -> None:
    """Link each page to itself in the other language, or to the index where it has none."""
    up = "../" * (page.count("/") + 1)
    context["languages"] = [
        (
            name,
            code == app.config.language,
            f"{up}{code[:2]}/{page if (folder / f'{page}.md').exists() else root_doc}.html",
        )
        for code, (folder, name) in LANGUAGES.items()
    ]


def list_parameters(
    _app: Sphinx,
    _page: str,
    _template: str,
    context: dict[str, Any],
    _doctree: nodes.document | None,
) -> None:
    """Make a list of what Sphinx makes a list of definitions without terms: a long signature."""

    def as_items(parameters: re.Match[str]) -> str:
        items = parameters[1].replace("<dd>", "<li>").replace("</dd>", "</li>")
        return f'<ul class="parameters">\n{items}</ul>'

    context["body"] = _PARAMETERS.sub(as_items, context.get("body", ""))


def setup(app: Sphinx) -> None:
    """Connect all of the above: what Sphinx calls."""
    app.add_search_language(SearchMixed)
    app.connect("source-read", list_pages, priority=400)
    app.connect("source-read", lead_out_of_the_site)
    app.connect("doctree-read", anchor_headings_as_github_does)
    app.connect("html-page-context", offer_languages)
    app.connect("html-page-context", list_parameters)
    app.connect("builder-inited", describe_constants)
    app.connect("autodoc-process-docstring", convert_docstring)
    app.connect("autodoc-process-signature", convert_signature)
    app.connect("autodoc-skip-member", keep_enumerated)
