"""Events that DingTalk pushes to an application over Stream: what happened, besides messages.

Which events come is chosen in the console. A frame's headers name the event, and its data is the
event's own JSON (developerpedia, "Stream protocol").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dingda.shared.dingtalk.fields import integer, read_object, required, string
from dingda.shared.dingtalk.message import MAX_ID_CHARS, OVER_QUOTA, Ignored

EVENT_HEADERS = ("eventType", "eventId", "eventCorpId", "eventBornTime")
"""The headers of a frame that tell of its event; the others tell of the frame."""
_MAX_TYPE_CHARS = 128


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in DingTalk.

    >>> @skill.event("chat_add_member")
    ... async def joined(event: Event, ctx: HookContext) -> None:
    ...     print("new:", event.data["userId"])
    >>> print(asyncio.run(fire(skill, Event("chat_add_member", {"userId": ["0002"]}))))
    new: ['0002']
    answered
    """

    type: str
    """DingTalk's name of it, such as `chat_add_member`."""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What DingTalk tells of it; each type has fields of its own."""
    id: str = ""
    """DingTalk's id of it, which is the same each time that it is pushed."""
    corp_id: str = ""
    """The organisation where it happened."""
    born_ms: int | None = None
    """When it happened, in ms since 1970; None where DingTalk does not say."""


def parse_event(headers: Mapping[str, Any], data: bytes) -> Event | Ignored:
    """Parse an event's frame.

    Args:
        headers: the frame's headers; those of `EVENT_HEADERS` are read.
        data: the frame's data: UTF-8 JSON.

    Returns:
        The event, or why there is nothing to call a hook for.

    Raises:
        InvalidMessageError: if the data isn't strict UTF-8 and an object of JSON, or the headers
            lack the event's type or id.
    """
    fields, named = read_object(data), dict(headers)
    if OVER_QUOTA in map(integer, (fields.get("errorCode"), fields.get("errCode"))):
        return Ignored("over_quota")
    return Event(
        type=required(named, "eventType", _MAX_TYPE_CHARS),
        data=fields,
        id=required(named, "eventId", MAX_ID_CHARS),
        corp_id=string(named, "eventCorpId"),
        born_ms=integer(named.get("eventBornTime")),
    )
