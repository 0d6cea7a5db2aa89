"""From our docstrings to reStructuredText: they are plain text, with Google's sections."""

import ast
import re
from enum import Enum
from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.pycode import ModuleAnalyzer

PUBLIC_MODULES = ("dingda.skill", "dingda.slots", "dingda.testing")

_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)(?=(\w)?)")
_ONE_LINERS = ("attribute", "data", "property")
"""Napoleon takes what is before their first colon for a type."""


def convert_docstring(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Rewrite a docstring in place, for autodoc."""
    text = _CODE.sub(lambda code: f"``{code[1]}``" + (r"\ " if code[2] else ""), "\n".join(lines))
    marked = _mark_code_blocks(text.split("\n"))
    if what not in _ONE_LINERS:
        marked = GoogleDocstring(
            marked, Config(napoleon_use_rtype=False), app, what, name, obj, options
        ).lines()
    lines[:] = marked


def convert_signature(
    _app: Sphinx,
    _what: str,
    _name: str,
    _obj: Any,
    _options: Any,
    signature: str | None,
    returns: str | None,
) -> tuple[str, str | None] | None:
    """Make a dataclass's signature one that Sphinx can parse, for autodoc."""
    return (signature.replace("<factory>", "..."), returns) if signature else None


def keep_enumerated(
    _app: Sphinx, _what: str, _name: str, obj: Any, _skip: object, _options: Any
) -> bool | None:
    """Show the values of an enumeration that have no docstring; fields are in signatures anyway."""
    return False if isinstance(obj, Enum) else None


def describe_constants(_app: Sphinx) -> None:
    """Take the docstrings of constants and types along to the public modules that import them."""
    for name in PUBLIC_MODULES:
        public = _analyzed(name)
        for node in ast.walk(ast.parse(public.code)):
            if isinstance(node, ast.ImportFrom) and node.module:
                described = _analyzed(node.module).attr_docs
                here = {("", each.name) for each in node.names} & described.keys()
                public.attr_docs.update({key: described[key] for key in here})


def _analyzed(name: str) -> ModuleAnalyzer:
    analyzer = ModuleAnalyzer.for_module(name)  # which keeps it for autodoc
    analyzer.analyze()
    return analyzer


def _mark_code_blocks(lines: list[str]) -> list[str]:
    """Put `::` before what is indented after a blank line, which is code."""
    marked: list[str] = []
    text_indent = 0
    in_code = False
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line.strip():
            after_blank = bool(marked) and not marked[-1].strip()
            starts = not in_code and after_blank and indent > text_indent
            if starts and not line.lstrip().startswith((">>>", "- ")):
                marked += [" " * text_indent + "::", ""]
            in_code = (in_code or starts) and indent > text_indent
            if not in_code:
                text_indent = indent
        marked.append(line)
    return marked
