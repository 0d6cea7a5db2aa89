"""What a client of the simulator may let Stream mode do."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter

EXPIRED = "connection is expired"
"""The reason that DingTalk gives most often."""


@dataclass(frozen=True, slots=True)
class Disconnection:
    """Tell every connection to disconnect.

    >>> Disconnection.from_json(b'{}').reason
    'connection is expired'
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=200)] = EXPIRED

    @staticmethod
    def from_json(body: bytes) -> "Disconnection":
        """Read a request.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return _DISCONNECTION.validate_json(body)


_DISCONNECTION = TypeAdapter(Disconnection)
