"""Puts what workers report through a file into the records of the messages."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from dingda.shared.runtime.inspection import Inspection, OfferedSkills, Report
from dingda.shared.runtime.inspection_file import InspectionReader
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.record_store import RecordStore

_LOOK_EVERY_S = 0.1


class Inspections:
    """Reads the reports of workers as they come.

    Args:
        reader: of the file; of none where nothing is reported.
        records: those of the messages.
        changes: announces what is new.
    """

    def __init__(
        self, reader: InspectionReader, records: RecordStore, changes: ChangeNotifier
    ) -> None:
        self.skills = OfferedSkills()
        self._reader = reader
        self._records = records
        self._changes = changes

    async def run(self) -> None:
        """Read until `changes` is closed."""
        while self._reader.path and not self._changes.closed:
            if self.catch_up():
                await self._changes.announce()
            await asyncio.sleep(_LOOK_EVERY_S)

    def catch_up(self) -> bool:
        """Note what was reported until now: all that a worker wrote before it sent its reply.

        Returns:
            Whether there was anything new.
        """
        reports = self._reader.read()
        for offered in filter(None, (report.offered for report in reports)):
            self.skills = offered
        inspections = _by_message(reports)
        for record in self._records.since(0) if inspections else ():
            if later := inspections.get(record.ledger_id):
                inspection = record.inspection.followed_by(later)
                self._records.put(replace(record, inspection=inspection))
        return bool(reports)


def _by_message(reports: Iterable[Report]) -> dict[str | None, Inspection]:
    """What was reported of each message, by the ledger's id of it."""
    inspections: dict[str | None, Inspection] = {}
    for report in reports:
        if report.message_id:
            earlier = inspections.get(report.message_id, Inspection())
            inspections[report.message_id] = earlier.followed_by(report.inspection)
    return inspections
