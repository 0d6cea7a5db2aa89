"""A message as a command for the shell, or as a test for pytest."""

import shlex
from dataclasses import fields
from pprint import pformat

from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.simulation import FRESH
from dingda.simulator.dingtalk.user_message import UserMessage

_TEST = """\
from dingda.testing import {imports}


def test_the_answer_to_{name}(dingtalk: SimulatedDingTalk) -> None:
    record = dingtalk.{call}
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
    """Write a message and the replies that it got as a test; see `dingda.testing`."""
    said = record.said
    call = f"ask({', '.join([repr(said.text), *_arguments(said)])})"
    names = [name for name in ("Mentioned", "Quotation") if f"{name}(" in call]
    return _TEST.format(
        imports=", ".join((*names, "SimulatedDingTalk")),
        name=_name(said.text),
        call=_raw_call(record) if record.raw else call,
        payloads=_pretty([reply.payload for reply in record.shown]),
    )


def _raw_call(record: Record) -> str:
    if record.verbatim is not None:
        return f"ask_raw({_pretty(record.verbatim)}, verbatim=True)"
    made = {name: value for name, value in record.callback.items() if name not in FRESH}
    return f"ask_raw({_pretty(made)})"


def _pretty(value: object) -> str:
    return pformat(value, width=76, sort_dicts=False).replace("\n", "\n    ")


def _quoted(body: bytes) -> str:
    return shlex.quote(body.decode("utf-8", "replace"))


def _arguments(message: UserMessage) -> list[str]:
    """The fields that differ from their defaults, as keyword arguments."""
    return [
        f"{field.name}={getattr(message, field.name)!r}"
        for field in fields(UserMessage)
        if field.name != "text" and getattr(message, field.name) != field.default
    ]


def _name(text: str) -> str:
    letters = "".join(char if f"_{char}".isidentifier() else "_" for char in text[:40])
    return letters.strip("_") or "this"
