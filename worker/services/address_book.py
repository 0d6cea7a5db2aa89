"""Who works here, as DingTalk's address book knows it."""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the organisation. As a parameter: whom the question is about.

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
    """Who works here; each method may raise `BackendError`.

    >>> book: AddressBook = People(Person("0002", "李四"))
    >>> asyncio.run(book.find("李四"))
    ['0002']
    """

    async def find(self, name: str) -> list[str]:
        """The userids of the people of a name."""

    async def person(self, staff_id: str) -> Person | None:
        """Somebody by userid; None if there is nobody of that id."""

    async def department(self, department_id: int) -> str:
        """The name of a department; "" if there is none."""
