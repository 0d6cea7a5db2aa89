"""Injected faults of Stream mode: what goes wrong with its connections while a switch is on."""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter

from dingda.simulator.dingtalk.stream_opening import WRONG_SECRET, OpenRefusal


class OpenFault(StrEnum):
    """The faults of the responses to "open a connection"."""

    UNAUTHORIZED = "unauthorized"
    """HTTP status 401, as for a wrong secret."""
    BAD_REQUEST = "bad_request"
    """HTTP status 400: the application is not published, or its robot is not in Stream mode."""
    QUOTA = "quota"
    """HTTP status 403: the organisation's quota is used up."""
    UNAVAILABLE = "unavailable"
    """HTTP status 503."""
    HTML = "html"
    """A page with the status 200, as from a proxy that wants somebody to sign in."""


REFUSALS = MappingProxyType(
    {
        OpenFault.UNAUTHORIZED: WRONG_SECRET,
        OpenFault.BAD_REQUEST: OpenRefusal(
            HTTPStatus.BAD_REQUEST, "invalidParameter", "应用未发布，或机器人不是 Stream 模式"
        ),
        OpenFault.QUOTA: OpenRefusal(
            HTTPStatus.FORBIDDEN,
            "Forbidden.AccessDenied.ApiCountLimitForOrg",
            "当前组织的调用量已超过限制",
        ),
        OpenFault.UNAVAILABLE: OpenRefusal(
            HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", "try later"
        ),
    }
)
"""DingTalk's errors; the codes of the second to the fourth are inferred from other APIs'."""


@dataclass(frozen=True, slots=True)
class StreamFaults:
    """The faults that are on.

    >>> StreamFaults(zombie=True).to_json()
    b'{"open":null,"zombie":true,"ignores_closes":false,"lost_acks":0,"delay_ms":0,"stale":0}'
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    open: OpenFault | None = None
    zombie: bool = False
    """The connections that are open when it is switched on get no frame of any kind any more, and
    still their share of the pushes; later ones are sound."""
    ignores_closes: bool = False
    """A connection that the client closes gets its share until it leaves a ping unanswered."""
    lost_acks: Annotated[int, Field(ge=0, le=1000)] = 0
    """How many of the next acks are forgotten, so that their pushes come again."""
    delay_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    """How much later than its deadline's start a push is sent."""
    stale: Annotated[int, Field(ge=0, le=100)] = 0
    """How many connections of forgotten clients get their share and never acknowledge; 30 were
    counted for one badly restarted bot."""

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "StreamFaults":
        """Read what `to_json` wrote; what is left out is off.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return _ADAPTER.validate_json(body)


NO_STREAM_FAULTS = StreamFaults()
_ADAPTER = TypeAdapter(StreamFaults)
