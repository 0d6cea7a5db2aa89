"""Who may see whose performance data. Whatever is not allowed here is refused.

One sees one's own, and managers see that of their direct reports. Who somebody is goes by userid
alone, as DingTalk sends it (`senderStaffId`) and as its address book names managers; a nickname is
what its owner makes it, and an administrator of DingTalk is not for that reason anybody's manager.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from dingda.skill import AddressBook, Message, identifier

logger = logging.getLogger("dingda.audit")

_MOST_CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class Subject:
    """A person whose data the sender may see."""

    staff_id: str
    name: str
    """The name to show; "" for the sender."""


async def find_subject(
    message: Message, name: str, typed: Sequence[str], dingtalk: AddressBook | None
) -> Subject | None:
    """Find out whom a question is about, and whether its sender may know.

    Args:
        message: the question. Somebody mentioned in it is whom it is about.
        name: the name in its words; "" where they name nobody.
        typed: the names behind an @ that was typed by hand, one of which may be the bot's.
        dingtalk: the address book; None where it can't be asked, and then one sees only one's own.

    Returns:
        Who it is; None if it is not to be known, which is the same for somebody who doesn't exist,
        somebody else's report, several people, and a name that several of one's reports have.

    Raises:
        BackendError: if the address book can't be asked.
    """
    sender = message.sender_staff_id
    if not sender or not message.is_own_organisation:
        return _decided(message, None, "nobody of this organisation asks")
    if not (name or typed or message.mentions):
        return _decided(message, Subject(sender, ""), "own")
    if len(message.mentioned_staff_ids) < len(message.mentions):
        # Somebody is meant, and DingTalk hides who: that is never the sender.
        return _decided(message, None, "somebody unknown is mentioned")
    if dingtalk is None:
        return _decided(message, None, "no address book: set DINGDA_APP_KEY")
    named = await _named(message, name, typed, dingtalk)
    if sender in named:
        return _decided(message, Subject(sender, ""), "own")
    people = await asyncio.gather(*(dingtalk.person(each) for each in named[:_MOST_CANDIDATES]))
    reports = [person for person in people if person and person.manager_staff_id == sender]
    if len(reports) != 1:
        return _decided(message, None, "not a direct report")
    return _decided(message, Subject(reports[0].staff_id, reports[0].name), "direct report")


async def _named(
    message: Message, name: str, typed: Sequence[str], dingtalk: AddressBook
) -> list[str]:
    """Whoever all mentions and names may mean; nobody where they mean several people."""
    names = list(dict.fromkeys(filter(None, (name, *typed))))
    found = dict(
        zip(names, await asyncio.gather(*(dingtalk.find(each) for each in names)), strict=True)
    )
    meant = [[staff_id] for staff_id in dict.fromkeys(message.mentioned_staff_ids)]
    if name and not meant and not found[name]:
        return []
    # A name that nobody has may be the bot's, or just a word beside a mention.
    meant += filter(None, found.values())
    return [each for each in meant[0] if all(each in ids for ids in meant)] if meant else []


def _decided(message: Message, subject: Subject | None, rule: str) -> Subject | None:
    """Leave a trace of every decision: ids, and nothing that was said or found."""
    logger.info(
        "performance: message %.8s, sender %s, subject %s, %s chat, %s (%s)",
        message.id,
        identifier(message.sender_staff_id) if message.sender_staff_id else "-",
        identifier(subject.staff_id) if subject else "-",
        "group" if message.is_group else "single",
        "allowed" if subject else "refused",
        rule,
    )
    return subject
