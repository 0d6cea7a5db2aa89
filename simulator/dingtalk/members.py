"""Who is in the simulated organisation, as a test or its developer says."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, StringConstraints, TypeAdapter

_STRICT = ConfigDict(extra="forbid")
_Name = Annotated[str, StringConstraints(min_length=1)]


@dataclass(frozen=True, slots=True)
class Member:
    """A person in DingTalk's address book.

    >>> with dingtalk.organisation(Member("赵六", department="财务部", manager="王五")):
    ...     dingtalk.ask("咖啡", sender="赵六").acknowledged
    True
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: _Name
    title: str = ""
    department: str = ""
    """Its name; "": the organisation itself."""
    manager: str = ""
    """The name of the direct manager; "" if not filled in."""
    staff_id: str = ""
    """The userid; "": derived from the name, as a sender's is. Namesakes need each their own."""
    external: bool = False
    """Whether they are a contact and no member: DingTalk's member APIs don't know them."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """Everybody in it, besides those who write to the bot.

    >>> Organisation((Member("赵六", department="财务部"),)).members[0].name
    '赵六'
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    members: tuple[Member, ...]

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "Organisation":
        """Read what `to_json` wrote.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return _ADAPTER.validate_json(body)


_ADAPTER = TypeAdapter(Organisation)
