"""The people of the organisation, as DingTalk's address book lists them."""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Person:
    """A member of the organisation. As a parameter: the person a question is about.

    >>> @skill.command("分机")
    ... def extension(who: Person) -> str:
    ...     return f"{who.name}的分机是 8002"
    >>> asyncio.run(ask(skill, "分机 李四", dingtalk=People(Person("0002", "李四")))).content
    '李四的分机是 8002'
    """

    label: ClassVar[str] = "姓名"

    staff_id: str
    """The userid."""
    name: str = field(default="", repr=False)
    """To show; "" where a mention doesn't tell it and there is no address book."""
    manager_staff_id: str = ""
    """The direct manager; "" where the address book names none."""
    title: str = field(default="", repr=False)
    department_ids: tuple[int, ...] = ()


class AddressBook(Protocol):
    """The organisation's address book; each method may raise `BackendError`.

    >>> book: AddressBook = People(Person("0002", "李四"))
    >>> asyncio.run(book.find("李四"))
    ['0002']
    """

    async def find(self, name: str) -> list[str]:
        """Return the userids of the people with a name."""

    async def person(self, staff_id: str) -> Person | None:
        """Return a person by userid; None if there is none."""

    async def department(self, department_id: int) -> str:
        """Return the name of a department; "" if there is none."""
