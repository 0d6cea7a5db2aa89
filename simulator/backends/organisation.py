"""The simulated organisation: its members, their managers, and DingTalk's OpenAPI over them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from dingda.shared.dingtalk.fields import string
from dingda.shared.dingtalk.robots import Robot
from dingda.simulator.backends.dingtalk_openapi import (
    ROOT,
    Department,
    FakeOpenAPI,
    Person,
)
from dingda.simulator.backends.private_message import PrivateMessage
from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.members import Member, Organisation
from dingda.simulator.dingtalk.record_store import RecordStore
from dingda.simulator.dingtalk.simulation import Simulation

APP_KEY = "dingsimulated"
"""The application's AppKey; its AppSecret is the bot's."""
NAMESAKE, NAMESAKES = "李伟", ("liwei-technology", "liwei-marketing")
"""A name that two people have, and their userids."""

OWN = Organisation(
    (
        Member("张三", "前端工程师", "技术部", manager="王五"),
        Member("李四", "后端工程师", "技术部", manager="王五"),
        Member("王五", "技术经理", "技术部"),
        Member(NAMESAKE, "测试工程师", "技术部", manager="王五", staff_id=NAMESAKES[0]),
        Member(NAMESAKE, "设计师", "市场部", staff_id=NAMESAKES[1]),
        Member("陈外", external=True),
    )
)
"""A manager and reports, two of one name, and an external contact."""


@dataclass(frozen=True, slots=True)
class PeopleNames:
    """The people that a message can be sent to before they have said anything."""

    people: tuple[Person, ...]

    def to_json(self) -> bytes:
        """Write `[{"staff_id": …, "name": …}, …]`."""
        known = [{"staff_id": each.userid, "name": each.name} for each in self.people]
        return json.dumps(known, ensure_ascii=False).encode()


class SimulatedOrganisation:
    """The members, who can be chosen, and every sender so far; iterating gives all people.

    Args:
        records: tell who has written to the bot.
    """

    def __init__(self, records: RecordStore) -> None:
        self._records = records
        self.chosen = OWN
        self.departments = _Departments(self)

    @property
    def names(self) -> PeopleNames:
        """The names of the members."""
        return PeopleNames(tuple(self._members()))

    def __iter__(self) -> Iterator[Person]:
        members = list(self._members())
        yield from members
        known = {person.userid for person in members}
        for record in self._records.since(0):
            # The sender of a raw callback may be anybody.
            sender = string(record.callback, "senderStaffId") or staff_id_of(record.said.sender)
            if sender not in known and not record.said.external:
                known.add(sender)
                yield Person(sender, record.said.sender)

    def _members(self) -> Iterator[Person]:
        departments = {each.name: each.id for each in self.departments}
        ids: dict[str, str] = {}
        for member in self.chosen.members:
            ids.setdefault(member.name, _userid(member))
        for member in self.chosen.members:
            manager = ids.get(member.manager) or staff_id_of(member.manager)
            yield Person(
                _userid(member),
                member.name,
                manager if member.manager else "",
                member.title,
                (departments.get(member.department, ROOT),),
                is_external=member.external,
            )


class _Departments:
    """The departments of an organisation's members, besides the root."""

    def __init__(self, organisation: SimulatedOrganisation) -> None:
        self._organisation = organisation

    def __iter__(self) -> Iterator[Department]:
        members = self._organisation.chosen.members
        named = dict.fromkeys(each.department for each in members if each.department)
        return (Department(number, name) for number, name in enumerate(named, start=ROOT + 1))


def _userid(member: Member) -> str:
    return member.staff_id or staff_id_of(member.name)


def create_openapi(
    people: SimulatedOrganisation, dingtalk: Simulation, changes: ChangeNotifier, robot: Robot
) -> FakeOpenAPI:
    """Build the organisation's OpenAPI.

    Args:
        people: the organisation.
        dingtalk: shows private messages in the single chats.
        changes: announces them.
        robot: the application's, with its secret; an AppKey that it lacks is `APP_KEY`.
    """

    async def show(message: PrivateMessage) -> None:
        name = next(person.name for person in people if person.userid == message.userid)
        robot = dingtalk.name_of_robot(message.robot_code)
        dingtalk.bot_sends.to_person(name, message.to_payload(), robot)
        await changes.announce()

    return FakeOpenAPI(
        people,
        app_key=robot.app_key or APP_KEY,
        app_secret=robot.secrets[0],
        robot_code=robot.code,
        departments=people.departments,
        on_private=show,
    )
