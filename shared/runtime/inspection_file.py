"""The private file in which a developer's workers tell the simulator about their work.

Lines of JSON, which any number of workers append and the simulator reads as they come. It is off
unless `DINGDA_SIMULATOR_INSPECTION_FILE` names a file, as `dingda demo` and the test
kit do for their processes: never in production, because it holds what people write.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Self

from dingda.shared.runtime.inspection import Report, read_report

INSPECTION_FILE = "DINGDA_SIMULATOR_INSPECTION_FILE"
"""The variable, or the line in `.env`, that names the file."""
MAX_FILE_BYTES = 16 * 1024 * 1024
"""Beyond this a writer empties the file; what the simulator has not read by then is lost."""
_READ_BYTES = 1024 * 1024
_PRIVATE = 0o600


class InspectionWriter:
    """Appends to the file, which only its owner can read.

    Args:
        path: the file; it is created if it is not there.
        first: what every reader needs to know; it is written at the beginning.

    Raises:
        OSError: if it can't be written.
    """

    def __init__(self, path: Path, first: Report) -> None:
        self._first = _line(first)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        # A named pipe would wait for a reader.
        self._file = os.open(path, flags | os.O_NONBLOCK, _PRIVATE)
        if not stat.S_ISREG(os.fstat(self._file).st_mode):  # /dev/null is everybody's
            os.close(self._file)
            raise OSError(errno.EINVAL, "it is no regular file")
        os.fchmod(self._file, _PRIVATE)
        os.write(self._file, self._first)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, report: Report) -> None:
        """Append a line; in one write, so that those of several processes don't mix."""
        if os.fstat(self._file).st_size > MAX_FILE_BYTES:
            os.ftruncate(self._file, 0)
            os.write(self._file, self._first)
        os.write(self._file, _line(report))


class InspectionReader:
    """Reads what was appended since it last looked.

    Args:
        path: the file, which need not be there yet; None: there is never anything.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._inode = 0
        self._offset = 0

    def read(self) -> list[Report]:
        """The new lines, a megabyte at the most; lines that are no reports are left out."""
        if self.path is None:
            return []
        try:
            # A named pipe would wait for a writer.
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
                facts = os.fstat(file.fileno())
                if not stat.S_ISREG(facts.st_mode):
                    return []
                if facts.st_ino != self._inode or facts.st_size < self._offset:
                    self._inode, self._offset = facts.st_ino, 0
                if facts.st_size == self._offset:
                    return []
                file.seek(self._offset)
                read = file.read(_READ_BYTES)
        except OSError:
            return []
        lines, newline, _ = read.rpartition(b"\n")
        if newline:
            self._offset += len(lines) + 1
        elif len(read) == _READ_BYTES:  # no report is so long
            self._offset += len(read)
        return [report for line in lines.splitlines() if (report := read_report(line))]


def _line(report: Report) -> bytes:
    return report.to_json() + b"\n"
