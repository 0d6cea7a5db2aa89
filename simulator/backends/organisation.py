"""The simulated organisation: its members, their managers, and DingTalk's OpenAPI over them."""

import json
from collections.abc import Iterator

from dingda.shared.dingtalk.fields import string
from dingda.shared.dingtalk.robots import Robot
from dingda.simulator.backends.dingtalk_openapi import (
    Department,
    FakeOpenAPI,
    Person,
)
from dingda.simulator.backends.private_message import PrivateMessage
from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.record_store import RecordStore
from dingda.simulator.dingtalk.simulation import Simulation

APP_KEY = "dingsimulated"
"""The application's AppKey; its AppSecret is the bot's."""
MANAGER, REPORTS = "王五", ("张三", "李四")
TECHNOLOGY, MARKETING = Department(2, "技术部"), Department(3, "市场部")
NAMESAKE, NAMESAKES = "李伟", ("liwei-technology", "liwei-marketing")
"""A name that two people have, and their userids."""
EXTERNAL = "陈外"
"""An external contact."""


class SimulatedOrganisation:
    """The members: a manager and reports, two of one name, and every sender so far."""

    def __init__(self, records: RecordStore) -> None:
        self._records = records

    def __iter__(self) -> Iterator[Person]:
        yield from _MEMBERS
        known = {person.userid for person in _MEMBERS}
        for record in self._records.since(0):
            # The sender of a raw callback may be anybody.
            sender = string(record.callback, "senderStaffId") or staff_id_of(record.said.sender)
            if sender not in known and not record.said.external:
                known.add(sender)
                yield Person(sender, record.said.sender)


_MEMBERS = (
    *(
        Person(staff_id_of(name), name, staff_id_of(MANAGER), title, (TECHNOLOGY.id,))
        for name, title in zip(REPORTS, ("前端工程师", "后端工程师"), strict=True)
    ),
    Person(staff_id_of(MANAGER), MANAGER, title="技术经理", departments=(TECHNOLOGY.id,)),
    Person(NAMESAKES[0], NAMESAKE, staff_id_of(MANAGER), "测试工程师", (TECHNOLOGY.id,)),
    Person(NAMESAKES[1], NAMESAKE, title="设计师", departments=(MARKETING.id,)),
    Person(staff_id_of(EXTERNAL), EXTERNAL, is_external=True),
)


class MemberNames:
    """The members that a message can be sent to before they have said anything."""

    def to_json(self) -> bytes:
        """Write `[{"staff_id": …, "name": …}, …]`."""
        known = [{"staff_id": each.userid, "name": each.name} for each in _MEMBERS]
        return json.dumps(known, ensure_ascii=False).encode()


MEMBER_NAMES = MemberNames()


def create_openapi(dingtalk: Simulation, changes: ChangeNotifier, robot: Robot) -> FakeOpenAPI:
    """Build the organisation's OpenAPI.

    Args:
        dingtalk: shows private messages in the single chats.
        changes: announces them.
        robot: the application's, with its secret; an AppKey that it lacks is `APP_KEY`.
    """
    people = SimulatedOrganisation(dingtalk.records)

    async def show(message: PrivateMessage) -> None:
        name = next(person.name for person in people if person.userid == message.userid)
        dingtalk.bot_sends.to_person(name, message.to_payload())
        await changes.announce()

    return FakeOpenAPI(
        people,
        app_key=robot.app_key or APP_KEY,
        app_secret=robot.secrets[0],
        robot_code=robot.code,
        departments=(TECHNOLOGY, MARKETING),
        on_private=show,
    )
