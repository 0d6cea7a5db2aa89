"""What belongs to a message that is copied as a test."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.simulator.dingtalk.card import Card
from dingda.simulator.dingtalk.record import Record, is_sent_to
from dingda.simulator.dingtalk.transcript import FindCard
from dingda.simulator.dingtalk.user_message import UserMessage


@dataclass(frozen=True, slots=True)
class Copied:
    """What a test is made of."""

    record: Record
    before: Sequence[Record] = ()
    """What led to it in a dialogue, the oldest first."""
    pushed: Sequence[Record] = ()
    """What the bot sent first because of it, the oldest first."""
    cards: Mapping[str, Card] = field(default_factory=dict)
    """The cards among that, by their outTrackIds."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The names of the people who may have pressed a button, by their userids."""
    host: str = ""
    """The simulator's host with its port, for which the test writes `dingtalk.host`."""


def copied_from(
    record: Record,
    records: Sequence[Record],
    find_card: FindCard,
    *,
    names: Iterable[str] = (),
    host: str = "",
) -> Copied:
    """Find what belongs to a message among all records, the oldest of which is first.

    What was pushed before the next message came counts as its own.

    Args:
        record: the message's.
        records: all of them.
        find_card: finds a card by its outTrackId.
        names: of the people who may have pressed a button.
        host: the simulator's, with its port.
    """
    place = next(n for n, each in enumerate(records) if each.msg_id == record.msg_id)
    before = tuple(_dialogue_before(record, records[:place]))[::-1]
    pushed = tuple(takewhile(lambda each: not each.prompted, records[place + 1 :]))
    cards = filter(None, (find_card(each.card) for each in pushed if each.card))
    return Copied(
        record,
        before,
        pushed,
        {card.out_track_id: card for card in cards},
        {staff_id_of(name): name for name in names},
        host,
    )


def _dialogue_before(record: Record, records: Sequence[Record]) -> Iterator[Record]:
    """The messages that a message answers, the latest first.

    Each was said in the same chat, or in a group, and what it asked back went to the sender alone.
    """
    went_to_sender = False
    for earlier in reversed(records):
        if not record.inspection.is_answer:
            return
        if not earlier.prompted:
            went_to_sender |= record.said.single and is_sent_to(earlier, record.said.sender, None)
            continue
        in_private = went_to_sender and earlier.said.sender == record.said.sender
        if in_private or _chat(earlier.said) == _chat(record.said):
            yield earlier
            record = earlier
        went_to_sender = False


def _chat(said: UserMessage) -> tuple[str, bool, str, str]:
    return said.sender, said.single, said.group, said.robot
