"""The simulated organisation: who works there, for whom, and DingTalk's OpenAPI to ask it."""

from simulator.backends.openapi import OpenAPI, Person, PrivateMessage
from simulator.callback import staff_id_of
from simulator.changes import Changes
from simulator.dingtalk import DingTalk

APP_KEY = "dingsimulated"
"""The application's AppKey; its AppSecret is the bot's."""
MANAGER, REPORTS = "王五", ("张三", "李四")


def create_openapi(dingtalk: DingTalk, changes: Changes, *, app_secret: str) -> OpenAPI:
    """Build the organisation's OpenAPI.

    Args:
        dingtalk: shows private messages in the single chats.
        changes: wakes who follows them.
        app_secret: the application's.
    """
    names = {staff_id_of(name): name for name in (MANAGER, *REPORTS)}
    manager = staff_id_of(MANAGER)
    people = [Person(manager, MANAGER), *(Person(staff_id_of(n), n, manager) for n in REPORTS)]

    async def show(message: PrivateMessage) -> None:
        dingtalk.push(names[message.userid], message.to_payload())
        await changes.announce()

    return OpenAPI(people, app_key=APP_KEY, app_secret=app_secret, on_private=show)
