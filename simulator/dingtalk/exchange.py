"""A message with all that came after it, and the workers: what a terminal follows."""

from dataclasses import dataclass

from pydantic import TypeAdapter

from dingda.shared.ledger.worker_report import WorkerReport
from dingda.simulator.dingtalk.card import Card
from dingda.simulator.dingtalk.cards import Cards
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.record_store import RecordStore


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the bot has sent of its own accord: a card, or another message."""

    record: Record
    card: Card | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message, and what the bot has sent of its own accord since, to anybody.

    A private answer is among the latter: it goes to the sender's single chat.
    """

    revision: int
    """Grows with every change of a record or a card."""
    record: Record
    pushed: tuple[Pushed, ...] = ()

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _EXCHANGE.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "Exchange":
        """Read what `to_json` wrote."""
        return _EXCHANGE.validate_json(body)


@dataclass(frozen=True, slots=True)
class Workers:
    """The bot's workers that are alive."""

    known: bool
    """Whether Redis says so; else there may be any number."""
    alive: tuple[WorkerReport, ...] = ()
    supervised: bool = False
    """Whether each that ends is started again, as in the demo."""

    @property
    def are_gone(self) -> bool:
        """Whether there is certainly none, and none is about to be back."""
        return self.known and not self.alive and not self.supervised

    @property
    def are_starting(self) -> bool:
        """Whether there is none just now, but is about to be."""
        return self.known and not self.alive and self.supervised

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _WORKERS.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "Workers":
        """Read what `to_json` wrote."""
        return _WORKERS.validate_json(body)


_EXCHANGE = TypeAdapter(Exchange)
_WORKERS = TypeAdapter(Workers)


def latest_revision(records: RecordStore, cards: Cards) -> int:
    """A number that has grown whenever a record or a card has changed."""
    return records.revision + cards.revision


def exchange_of(msg_id: str, records: RecordStore, cards: Cards) -> Exchange | None:
    """Gather what belongs to a message; None if it is unknown or forgotten."""
    record = records.get(msg_id)
    if record is None:
        return None
    pushed = tuple(
        Pushed(each, cards.find(each.card) if each.card else None)
        for each in records.since(0)
        if not each.prompted and each.sent_at_ms >= record.sent_at_ms
    )
    return Exchange(latest_revision(records, cards), record, pushed)
