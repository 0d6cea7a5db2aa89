"""The records of the newest messages, and when each last changed."""

from collections.abc import Callable
from itertools import islice

from dingda.simulator.dingtalk.record import Record

MAX_RECORDS = 1000
"""How many messages are remembered: the newest, and older ones that a worker is answering. The
sessions of the others are closed."""


class RecordStore:
    """The newest records. Every change has a number that only grows, the `revision`."""

    def __init__(self) -> None:
        self.revision = 0
        self.generation = 0
        """How often the records were cleared; what followers know is from one of them."""
        self._records: dict[str, Record] = {}
        self._changed_at: dict[str, int] = {}

    def put(self, record: Record) -> None:
        """Keep a record, new or changed, and forget the oldest if there are too many."""
        self.touch()
        self._records[record.msg_id] = record
        self._changed_at[record.msg_id] = self.revision
        if len(self._records) > MAX_RECORDS:
            forgotten = self._to_forget()
            del self._records[forgotten], self._changed_at[forgotten]

    def clear(self, *, but: Callable[[Record], bool]) -> None:
        """Forget all records but some."""
        self._records = {key: record for key, record in self._records.items() if but(record)}
        self._changed_at = {key: self._changed_at[key] for key in self._records}
        self.generation += 1
        self.touch()

    def get(self, msg_id: str) -> Record | None:
        """A message's record; None if it is unknown or forgotten."""
        return self._records.get(msg_id)

    def since(self, revision: int) -> list[Record]:
        """The records that changed after a revision, in the order of their messages; 0: all."""
        return [
            record
            for msg_id, record in self._records.items()
            if self._changed_at[msg_id] > revision
        ]

    def has_changed_since(self, revision: int) -> bool:
        """Whether anything changed after a revision."""
        return self.revision > revision

    def _to_forget(self) -> str:
        """The oldest, but for those of the older half that a worker is answering."""
        older = islice(self._records.values(), MAX_RECORDS // 2)
        done = (record.msg_id for record in older if not (record.story and record.is_open))
        return next(done, next(iter(self._records)))

    def touch(self) -> None:
        """Count a change of something else that followers need, such as the faults."""
        self.revision += 1
