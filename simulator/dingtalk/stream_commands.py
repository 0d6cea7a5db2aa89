"""What a client of the simulator has Stream mode do: disconnect, or push what is no message."""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, TypeAdapter

from dingda.simulator.dingtalk.callback import CORP_ID, QUOTA_MESSAGE
from dingda.simulator.dingtalk.stream_frames import ANY_EVENT, CARD_TOPIC, FrameType, Push

EXPIRED = "connection is expired"
"""The reason that DingTalk gives most often."""
_OVER_HTTP = ("type", "outTrackId", "corpId", "userId", "content")
_STRICT = ConfigDict(extra="forbid", strict=True)
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class _FromJson:
    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read a request.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return TypeAdapter(cls).validate_json(body)


@dataclass(frozen=True)
class Disconnection(_FromJson):
    """Tell every connection to disconnect.

    >>> Disconnection.from_json(b'{}').reason
    'connection is expired'
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    reason: _Name = EXPIRED


@dataclass(frozen=True)
class EventPush(_FromJson):
    """An event of the application, by DingTalk's names.

    >>> EventPush("chat_add_member", {"chatid": "chat1"}).data["chatid"]
    'chat1'
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    eventType: _Name  # noqa: N815 - DingTalk's name
    data: dict[str, Any] = field(default_factory=dict)
    clientId: str = ""  # noqa: N815 - DingTalk's name
    """Whose connections get it; "": those of the simulator's own application."""

    def to_push(self, push_id: str, *, now_ms: int, is_over_quota: bool) -> Push:
        """Write the event, under an id that is the same each time it is pushed."""
        headers = {
            "eventType": self.eventType,
            "eventId": push_id,
            "eventCorpId": CORP_ID,
            "eventBornTime": str(now_ms),
            "eventUnifiedAppId": "unified-simulated-app",
        }
        over_quota = {"errorCode": 20001, "errMsg": QUOTA_MESSAGE}
        data = _to_json(over_quota if is_over_quota else self.data)
        return Push("EVENT", ANY_EVENT, data, headers)


@dataclass(frozen=True)
class CardPress(_FromJson):
    """A button of a card that is pressed, or its form that is submitted, by DingTalk's names.

    >>> CardPress("card1", "0001", ("approve",), {"jobId": "42"}).actionIds
    ('approve',)
    """

    # A list is what JSON has for the tuple.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    outTrackId: _Name  # noqa: N815 - DingTalk's name
    userId: _Name  # noqa: N815 - DingTalk's name
    actionIds: tuple[str, ...] = ()  # noqa: N815 - DingTalk's name
    params: dict[str, Any] = field(default_factory=dict)
    """What the button carries; of a form, `{"form": {…}}`."""
    spaceId: str = ""  # noqa: N815 - DingTalk's name
    """The group's conversationId; "" for the single chat."""
    clientId: str = ""  # noqa: N815 - DingTalk's name
    """Whose connections get it; "": those of the simulator's own application."""

    def to_callback(self) -> dict[str, Any]:
        """Write the callback's fields."""
        private = {"actionIds": list(self.actionIds), "params": self.params}
        return {
            "type": "actionCallback",
            "outTrackId": self.outTrackId,
            "corpId": CORP_ID,
            "userId": self.userId,
            "userIdType": 1,
            "spaceId": self.spaceId or self.userId,
            "spaceType": "IM_GROUP" if self.spaceId else "IM_ROBOT",
            "extension": "{}",
            "content": _to_json({"cardPrivateData": private}),
        }

    def to_body(self) -> bytes:
        """Write the callback over HTTP, which has fewer fields."""
        callback = self.to_callback()
        return _to_json({name: callback[name] for name in _OVER_HTTP}).encode()

    def to_push(self) -> Push:
        """Write the callback over Stream."""
        return Push("CALLBACK", CARD_TOPIC, _to_json(self.to_callback()))


@dataclass(frozen=True)
class FramePush(_FromJson):
    """Any frame, as it is; one of an unknown topic goes to any connection.

    >>> FramePush("CALLBACK", "/v1.0/graph/api/invoke", "{}").to_push().topic
    '/v1.0/graph/api/invoke'
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    type: FrameType
    topic: str
    data: str = "{}"
    """JSON, or whatever else."""
    headers: dict[str, str] = field(default_factory=dict)
    """Besides those that every frame has, or in their place."""
    clientId: str = ""  # noqa: N815 - DingTalk's name
    """Whose connections get it; "": those of the simulator's own application."""

    def to_push(self) -> Push:
        """Write the frame."""
        return Push(self.type, self.topic, self.data, self.headers)


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
