"""The only RQ job that a worker runs: one that answers a message.

RQ's jobs name any importable function, JSON or not, as well as callbacks and webhooks, so anybody
who can write to Redis could run code in a worker.
"""

import json
import re
import zlib
from typing import Any, NoReturn

from rq.exceptions import NoSuchJobError
from rq.job import Job

from dingda.shared.errors import DingdaError
from dingda.shared.queue import JOB_FUNCTION

# A later version may write the second one, and its jobs must run during a rolling update.
_FUNCTIONS = frozenset({JOB_FUNCTION, f"dingda.{JOB_FUNCTION}"})
_MAX_CALL_BYTES = 1024
_ID = re.compile(r"[\w=+/-]{1,128}", re.ASCII)


class ForbiddenJobError(DingdaError):
    """A job on the queue calls another function than ours; it is not run."""


class AnswerJob(Job):
    """A job as RQ reads it, without anything that would run code or send a request."""

    def restore(self, raw_data: Any) -> None:
        """Read a job as RQ does, and leave out its callbacks and webhooks.

        Raises:
            NoSuchJobError: also if the job can't be read, so that RQ skips it everywhere; RQ's own
                parsing raises errors of many kinds.
        """
        try:
            super().restore(raw_data)
        except NoSuchJobError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is in Redis
            raise NoSuchJobError(f"job {self.id} is unreadable: {type(error).__name__}") from None
        self._success_callback_name = None
        self._failure_callback_name = None
        self._stopped_callback_name = None
        self.webhooks = []

    def perform(self) -> NoReturn:
        """Refuse: the `ConcurrentWorker` answers on its own loop and never calls this."""
        raise ForbiddenJobError("an AnswerJob is run by the ConcurrentWorker")


def message_id_of(data: bytes) -> str:
    """Read a job's call: the id of the message to answer.

    Args:
        data: `Job.data` as it is in Redis: zlib's format around JSON.

    Raises:
        ForbiddenJobError: if it calls anything but `JOB_FUNCTION`, or can't be read.
    """
    try:
        function, instance, arguments, _ = json.loads(
            zlib.decompressobj().decompress(data, _MAX_CALL_BYTES)
        )
    except (zlib.error, ValueError, TypeError, RecursionError):
        raise ForbiddenJobError("the job's call is unreadable") from None
    match function, instance, arguments:
        case (str(called), None, [str(message_id)]) if called in _FUNCTIONS and _ID.fullmatch(
            message_id
        ):
            return message_id
    raise ForbiddenJobError(f"this queue's jobs call {JOB_FUNCTION} with an id, and nothing else")
