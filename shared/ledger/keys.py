"""The names of the ledger's keys in Redis, here and nowhere else.

`shared/ledger/lua/common.lua` says at its head what each key holds. RQ's own keys are
`JobQueue`'s.
"""

from dataclasses import dataclass

ENDED_DIGITS = 24
"""How many hex digits of a message's id name it once it has ended. 96 bits are enough not to be
mistaken for another's; and a million of them take 35 MB less than whole ids do."""


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """The keys of the ledger of one queue.

    Args:
        queue_name: the name of the RQ queue, with which every key begins.
    """

    queue_name: str

    @property
    def queued(self) -> str:
        """The ids of messages on RQ's queue."""
        return f"{self.queue_name}:queued"

    @property
    def due(self) -> str:
        """The ids of messages, by the time when a sweeper must look at them."""
        return f"{self.queue_name}:due"

    @property
    def dead(self) -> str:
        """The ids of dead letters."""
        return f"{self.queue_name}:dead"

    @property
    def count(self) -> str:
        """The totals since the beginning."""
        return f"{self.queue_name}:count"

    @property
    def histograms(self) -> str:
        """How long ended messages took, by stage."""
        return f"{self.queue_name}:histograms"

    @property
    def journal(self) -> str:
        """The messages that ended last."""
        return f"{self.queue_name}:journal"

    @property
    def resting(self) -> str:
        """The ids of messages that wait off the queue."""
        return f"{self.queue_name}:resting"

    @property
    def alerts(self) -> str:
        """Which dead letters the operators have been told of (`shared.ledger.untold`)."""
        return f"{self.queue_name}:alerts"

    def message(self, message_id: str) -> str:
        """The record of one message; `*` for the pattern of all, "" for their prefix."""
        return f"{self.queue_name}:message:{message_id}"

    def ended(self, message_id: str) -> str:
        """What is left of a message that ended well; "" for the prefix of all."""
        return f"{self.queue_name}:ended:{message_id[:ENDED_DIGITS]}"

    def dead_letter_payload(self, message_id: str) -> str:
        """The callback's body of a dead letter; `*` and "" as for `message`."""
        return f"{self.queue_name}:letter:{message_id}"

    def line(self, ordering_key: str) -> str:
        """The open messages of one sender in one conversation; "" for the prefix of all."""
        return f"{self.queue_name}:line:{ordering_key}"

    def dialogue(self, ordering_key: str) -> str:
        """What a sender was asked and may answer; "" for the prefix of all."""
        return f"{self.queue_name}:dialogue:{ordering_key}"

    def press(self, by: str) -> str:
        """What somebody pressed last on a card, by the hash of both; "" for the prefix of all."""
        return f"{self.queue_name}:press:{by}"

    @property
    def schedules(self) -> str:
        """The ids of schedules, by the time when a worker last had them."""
        return f"{self.queue_name}:schedules"

    def schedule(self, schedule_id: str) -> str:
        """What is known of one schedule (`shared.ledger.schedules`)."""
        return f"{self.queue_name}:schedule:{schedule_id}"

    def ticks(self, schedule_id: str) -> str:
        """The ticks that one schedule had last."""
        return f"{self.queue_name}:ticks:{schedule_id}"

    def custom_robot(self, robot: str) -> str:
        """What a custom robot has said in the last minute, by the hash of its webhook."""
        return f"{self.queue_name}:custom-robot:{robot}"

    def openapi_calls(self, month: str) -> str:
        """How many calls of the OpenAPI all workers have made in a month, such as `2026-11`."""
        return f"{self.queue_name}:openapi-calls:{month}"

    def call_rate(self, app_key: str) -> str:
        """When an application's next call of the OpenAPI may come (`worker.services.call_rate`)."""
        return f"{self.queue_name}:calls:{app_key}"

    def stream(self, message_id: str) -> str:
        """How far the card is that an answer grows on; "" for the prefix of all."""
        return f"{self.queue_name}:stream:{message_id}"

    @property
    def open_streams(self) -> str:
        """The messages whose cards have no end yet."""
        return f"{self.queue_name}:streams"

    def worker(self, name: str) -> str:
        """What a worker last said of itself; "" for the prefix of all."""
        return f"{self.queue_name}:worker:{name}"

    @property
    def cards(self) -> str:
        """The cards that are to be changed, by when."""
        return f"{self.queue_name}:cards"

    def card(self, out_track_id: str) -> str:
        """The record of one card; "" for the prefix of all."""
        return f"{self.queue_name}:card:{out_track_id}"
