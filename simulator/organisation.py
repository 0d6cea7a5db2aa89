"""The simulated organisation: who works there, for whom, and DingTalk's OpenAPI to ask it."""

from collections.abc import Iterator

from simulator.archive import Archive
from simulator.backends.openapi import OpenAPI, Person, PrivateMessage
from simulator.callback import staff_id_of
from simulator.changes import Changes
from simulator.dingtalk import DingTalk

APP_KEY = "dingsimulated"
"""The application's AppKey; its AppSecret is the bot's."""
MANAGER, REPORTS = "王五", ("张三", "李四")


class Organisation:
    """Who works there: a manager, the manager's reports, and whoever else has spoken."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __iter__(self) -> Iterator[Person]:
        spoke = (record.said.sender for record in self._archive.since(0))
        for name in dict.fromkeys((*REPORTS, MANAGER, *spoke)):
            yield Person(staff_id_of(name), name, staff_id_of(MANAGER) if name in REPORTS else "")


def create_openapi(dingtalk: DingTalk, changes: Changes, *, app_secret: str) -> OpenAPI:
    """Build the organisation's OpenAPI.

    Args:
        dingtalk: shows private messages in the single chats.
        changes: wakes who follows them.
        app_secret: the application's.
    """
    people = Organisation(dingtalk.archive)

    async def show(message: PrivateMessage) -> None:
        name = next(person.name for person in people if person.userid == message.userid)
        dingtalk.push(name, message.to_payload())
        await changes.announce()

    return OpenAPI(people, app_key=APP_KEY, app_secret=app_secret, on_private=show)
