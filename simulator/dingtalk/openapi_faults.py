"""What goes wrong with the OpenAPI while a switch is on."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter


class OpenAPIFault(StrEnum):
    """The faults of the OpenAPI's responses.

    >>> OpenAPIFaults(OpenAPIFault.QPS, apis=("/v1.0/card/",)).hits("/v1.0/card/streaming")
    True
    """

    QPS = "qps"
    """403: too many calls in a second."""
    QUOTA = "quota"
    """403: the month's calls are used up."""
    FORBIDDEN = "forbidden"
    """403: the application lacks the permission."""
    UNAUTHORIZED = "unauthorized"
    """400: the token is no longer good, nor is a new one."""
    FAIL = "fail"
    """500, and nothing is done."""
    HANG = "hang"
    """It is done, and no response comes."""
    LOST = "lost"
    """It is done, and the connection closes in the middle of the response."""
    CONTENT = "content"
    """400: what a card says is not proper."""
    TEMPLATE = "template"
    """400: a card's template does not exist."""
    UNDELIVERED = "undelivered"
    """200: a card is created, and not delivered."""


@dataclass(frozen=True, slots=True)
class OpenAPIFaults:
    """The fault that is on; None for none.

    >>> OpenAPIFaults(OpenAPIFault.LOST, count=1).to_json()
    b'{"fault":"lost","apis":[],"count":1}'
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    fault: OpenAPIFault | None = None
    apis: tuple[str, ...] = ()
    """What the paths of the calls begin with that it hits; () for all but those for tokens."""
    count: int | None = None
    """How many calls it hits, the next ones; None for all until it is turned off."""

    def hits(self, path: str) -> bool:
        """Whether it hits a call."""
        is_left = self.count is None or self.count > 0
        return self.fault is not None and is_left and path.startswith(self.apis or "/")

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "OpenAPIFaults":
        """Read what `to_json` wrote; what is left out is off.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return _ADAPTER.validate_json(body)


NO_OPENAPI_FAULTS = OpenAPIFaults()
_ADAPTER = TypeAdapter(OpenAPIFaults)
