"""How a Stream connection begins: a request with the application's secret, answered with a ticket.

DingTalk: `POST /v1.0/gateway/connections/open`. The codes of missing and wrong fields are those of
its other APIs; for this one they are documented nowhere.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, get_args

from dingda.simulator.dingtalk.stream_frames import FrameType

TICKET_LIFE_S = 90.0
"""DingTalk: a ticket is good for 90 s, and for one connection."""
_MAX_SUBSCRIPTIONS = 100
_OPTIONAL = {"ua": str, "localIp": str, "extras": dict}

Subscription = tuple[str, str]
"""A type and a topic."""


@dataclass(frozen=True, slots=True)
class Opening:
    """An application that may connect, and what it subscribes to."""

    client_id: str
    subscriptions: frozenset[Subscription]


@dataclass(frozen=True, slots=True)
class OpenRefusal:
    """DingTalk's error in response to a request to open a connection."""

    status: HTTPStatus
    code: str
    message: str


WRONG_SECRET = OpenRefusal(HTTPStatus.UNAUTHORIZED, "authFailed", "鉴权失败")
NO_BODY = OpenRefusal(HTTPStatus.BAD_REQUEST, "Missingbody", "body is mandatory for this action.")


def check_opening(
    fields: Mapping[str, Any] | None, apps: Mapping[str, Collection[str]]
) -> Opening | OpenRefusal:
    """Judge a request to open a connection.

    Args:
        fields: its body; None if it is no JSON object.
        apps: the secrets of each application, by client id (its AppKey).
    """
    if fields is None:
        return NO_BODY
    for name in ("clientId", "clientSecret", "subscriptions"):
        if not fields.get(name):
            return _missing(name)
    for name, kind in _OPTIONAL.items():
        if not isinstance(fields.get(name, kind()), kind):
            return _invalid(name)
    subscriptions = _read_subscriptions(fields["subscriptions"])
    if isinstance(subscriptions, OpenRefusal):
        return subscriptions
    client_id, secret = fields["clientId"], fields["clientSecret"]
    if not isinstance(client_id, str) or secret not in apps.get(client_id, ()):
        return WRONG_SECRET
    return Opening(client_id, subscriptions)


def _read_subscriptions(value: object) -> frozenset[Subscription] | OpenRefusal:
    if not isinstance(value, list) or len(value) > _MAX_SUBSCRIPTIONS:
        return _invalid("subscriptions")
    for each in value:
        if not isinstance(each, dict):
            return _invalid("subscriptions")
        for name in ("type", "topic"):
            if not each.get(name):
                return _missing(name)
        if each["type"] not in get_args(FrameType) or not isinstance(each["topic"], str):
            return _invalid("subscriptions")
    return frozenset((each["type"], each["topic"]) for each in value)


def _missing(name: str) -> OpenRefusal:
    why = f"{name} is mandatory for this action."
    return OpenRefusal(HTTPStatus.BAD_REQUEST, f"Missing{name}", why)


def _invalid(name: str) -> OpenRefusal:
    return OpenRefusal(HTTPStatus.BAD_REQUEST, f"Invalid{name}", f"{name} is not valid.")


class Tickets:
    """The tickets that have not been used yet.

    Args:
        now_s: the clock, in seconds.
        new_ticket: makes one that nobody can guess.
        life_s: how long a ticket is good for, in seconds.
    """

    def __init__(
        self,
        *,
        now_s: Callable[[], float],
        new_ticket: Callable[[], str],
        life_s: float = TICKET_LIFE_S,
    ) -> None:
        self._now_s = now_s
        self._new_ticket = new_ticket
        self._life_s = life_s
        self._openings: dict[str, tuple[Opening, float]] = {}

    def issue(self, opening: Opening) -> str:
        """Make a ticket, and forget those that are too old."""
        now_s = self._now_s()
        for ticket, (_, expires_s) in list(self._openings.items()):
            if now_s < expires_s:
                break
            del self._openings[ticket]
        ticket = self._new_ticket()
        self._openings[ticket] = (opening, now_s + self._life_s)
        return ticket

    def redeem(self, ticket: str) -> Opening | None:
        """Use a ticket up; None if it is unknown, used or too old."""
        opening, expires_s = self._openings.pop(ticket, (None, 0.0))
        return opening if self._now_s() < expires_s else None
