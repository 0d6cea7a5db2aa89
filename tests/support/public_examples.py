"""The examples of the public modules' names, from their docstrings, as doctest reads them."""

import ast
import asyncio
import doctest
import inspect
import textwrap
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any

import httpx
import sqlalchemy

import dingda.skill
import dingda.slots
import dingda.testing

MODULES: tuple[ModuleType, ...] = (dingda.skill, dingda.slots, dingda.testing)
NEED_A_BOT = {
    *("Inspection", "Member", "MessageTimeline"),
    *("Record", "SimulatedDingTalk", "SimulatorClient"),
}
"""Names whose examples need a running bot."""


def docstring_of(module: ModuleType, name: str) -> str:
    """The docstring of a class or function, or the string after a constant."""
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return inspect.getdoc(value) or ""
    home = next(
        node.module
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]
    )
    body = ast.parse(inspect.getsource(import_module(str(home)))).body
    for node, behind in pairwise(body):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if name in [target.id for target in targets if isinstance(target, ast.Name)]:
            doc = behind.value if isinstance(behind, ast.Expr) else None
            return textwrap.dedent(str(ast.literal_eval(doc))) if doc else ""
    return ""


def example_of(module: ModuleType, name: str, **extra: Any) -> doctest.DocTest:
    """The example of a public name.

    Args:
        module: the module that exports it; the example sees the names of all public modules, this
            one's first.
        name: the name.
        extra: further names that the example sees, such as the fixture `dingtalk`.
    """
    namespace = {
        "__name__": "example",
        "UTC": UTC,
        "asyncio": asyncio,
        "dataclass": dataclass,
        "date": date,
        "datetime": datetime,
        "httpx": httpx,
        "sqlalchemy": sqlalchemy,
        **{each: getattr(m, each) for m in (*MODULES, module) for each in m.__all__},
        "skill": dingda.skill.Skill("example", summary="示例"),
        **extra,
    }
    doc = docstring_of(module, name)
    return doctest.DocTestParser().get_doctest(doc, namespace, name, None, 0)


def failures_of(example: doctest.DocTest) -> str:
    """Run an example, and return doctest's report of failures; "" if there are none."""
    report: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    runner.run(example, out=report.append)
    return "".join(report)
