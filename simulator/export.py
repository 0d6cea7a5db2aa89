"""A message to take away: as a command for the shell, as a test for pytest."""

import shlex
from dataclasses import fields
from pprint import pformat

from simulator.callback import Said
from simulator.dingtalk import SignedCallback
from simulator.record import Record

_TEST = """\
from simulator.pytest_plugin import SimulatedDingTalk


def test_the_answer_to_{name}(dingtalk: SimulatedDingTalk) -> None:
    record = dingtalk.ask({arguments})
    assert [reply.payload for reply in record.shown] == {payloads}
"""


def as_curl(callback: SignedCallback, url: str) -> str:
    """Write a callback as a command; its signature is good for an hour.

    Args:
        callback: signed just now.
        url: the gateway's message-receiving address.
    """
    headers = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in callback.headers.items()]
    parts = (f"curl -i {shlex.quote(url)}", *headers, f"--data {_quoted(callback.body)}")
    return " \\\n  ".join(parts) + "\n"


def as_test(record: Record) -> str:
    """Write a message and the replies that it got as a test; see `simulator.pytest_plugin`."""
    payloads = pformat([reply.payload for reply in record.shown], width=76, sort_dicts=False)
    return _TEST.format(
        name=_name(record.said.text),
        arguments=", ".join([repr(record.said.text), *_manner(record.said)]),
        payloads=payloads.replace("\n", "\n    "),
    )


def _quoted(body: bytes) -> str:
    return shlex.quote(body.decode())


def _manner(said: Said) -> list[str]:
    """What is out of the ordinary about it."""
    return [
        f"{field.name}={getattr(said, field.name)!r}"
        for field in fields(Said)
        if field.name != "text" and getattr(said, field.name) != field.default
    ]


def _name(text: str) -> str:
    letters = "".join(char if f"_{char}".isidentifier() else "_" for char in text[:40])
    return letters.strip("_") or "this"
