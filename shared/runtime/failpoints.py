"""Fail points: where a fault test lets a process die, freeze or dawdle. Inert unless switched on.

They are switched on for one process by its environment alone: `DINGDA_FAILPOINTS` names places and
what happens there, such as `after-claim=kill,after-lease=sleep:2`. They are in the windows that a
kill from outside would hit once in a thousand times; `docs/faults.md` says what was found there.
"""

import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Literal, get_args

from dingda.shared.errors import SettingsError

logger = logging.getLogger(__name__)

Place = Literal[
    "after-accept",  # stored, not yet acknowledged
    "after-pop",  # taken off RQ's queue, not yet marked as started
    "after-start",  # marked as started, not yet leased
    "after-lease",  # leased, the skill not yet called
    "before-claim",  # connected to DingTalk, the right to send not yet claimed
    "after-claim",  # claimed, not a byte sent
    "after-delivery",  # DingTalk took the reply, the ledger doesn't know yet
    "before-tick",  # a tick is due, the scheduler has not had it accepted yet
    "after-tick",  # a tick is accepted, the scheduler that had it accepted doesn't know yet
    "after-ticked",  # a tick's function has returned, and what it did is pushed; it has no end yet
    "after-card",  # a card is stored, DingTalk doesn't know of it yet
    "after-decision",  # a press has decided, the skill doesn't know yet
    "after-action",  # the skill is done with it, the ledger doesn't know what the card should show
    "after-conclusion",  # the ledger knows, the card doesn't show it yet
    "between-parts",  # a part of a reply is delivered and written down, the next not yet claimed
    "card-opening",  # the card of a growing answer is noted, DingTalk doesn't know it yet
    "card-created",  # DingTalk shows it
    "card-grown",  # a text was written to it
    "card-ending",  # its last text is noted and not yet written
    "card-ended",  # its last text is written, the ledger doesn't know yet
]

_VARIABLE = "DINGDA_FAILPOINTS"


def failpoint(place: Place) -> None:
    """Do what this process's environment wants to happen here: as a rule nothing."""
    action = _armed().get(place)
    if action:
        action()


def warn_of_failpoints() -> None:
    """Log at the start which are on: a process that has one fails on purpose.

    Raises:
        SettingsError: if what is switched on does not exist.
    """
    for place in _armed():
        logger.warning("%s: this process fails on purpose at %s", _VARIABLE, place)


@cache
def _armed() -> Mapping[str, Callable[[], None]]:
    entries = filter(None, os.environ.get(_VARIABLE, "").split(","))
    return dict(map(_parse, entries))


def _parse(entry: str) -> tuple[str, Callable[[], None]]:
    place, _, what = entry.partition("=")
    name, _, seconds = what.partition(":")
    if place not in get_args(Place):
        raise SettingsError(f"{_VARIABLE}: there is no {place}, only {', '.join(get_args(Place))}")
    if what == "kill":
        return place, partial(os.kill, os.getpid(), signal.SIGKILL)
    if what == "stop":
        return place, partial(os.kill, os.getpid(), signal.SIGSTOP)
    if name == "sleep" and seconds.replace(".", "", 1).isdecimal():
        return place, partial(time.sleep, float(seconds))
    raise SettingsError(f"{_VARIABLE}: {place} takes kill, stop or sleep:<seconds>")
