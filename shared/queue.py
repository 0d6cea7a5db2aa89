"""How a message becomes an RQ job: the names, and what RQ keeps of it.

A job carries only the message's id; its payload is in the ledger. The gateway knows the job's
function by name, so it never imports the worker.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from struct import Struct
from zlib import adler32

from redis import Redis
from rq import Queue
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import utcformat
from rq.worker import BaseWorker
from rq.worker_registration import WORKERS_BY_QUEUE_KEY

JOB_FUNCTION = "worker.job.answer"
"""What RQ calls with the message's id."""
_CALL = b'["%b",null,["%%b"],{}]' % JOB_FUNCTION.encode()
_ZLIB_STORED = b"\x78\x01\x01"  # zlib, fastest; and the last block, stored
_LENGTHS, _CHECK = Struct("<HH"), Struct(">I")
DESCRIPTION = "Answer a DingTalk message"
"""What RQ logs and shows of a job: by default it would be the call with its arguments."""
FAILURE_TTL_S = 7 * 24 * 3600
"""How long RQ keeps a failed job. Unset, it would be a year, and its result for ever (RQ 3.0)."""
SENDING_ALLOWANCE_S = 30
"""What a job may take beyond its skill, in seconds: a delivery, and some bookkeeping."""


@dataclass(frozen=True, slots=True)
class JobQueue:
    """One RQ queue, and the hash that RQ would store for a job on it."""

    name: str
    fields: tuple[str | int, ...]
    """Field, value, field, value ...: those that are the same for every job."""

    @classmethod
    def create(cls, name: str, *, skill_timeout_s: float, result_ttl_s: int = 0) -> "JobQueue":
        """Take the job's fields from RQ itself, so that an upgrade of RQ changes them here too.

        Those that are empty, nearly half of them, are left out: `Job.restore` (RQ 3.0) reads a
        field that is absent as it reads one that is empty.

        Args:
            name: the queue's name.
            skill_timeout_s: how long the slowest skill may take, in seconds.
            result_ttl_s: how long RQ keeps a job that ended well, in seconds; 0: not at all. The
                ledger remembers for itself.
        """
        job = Job.create(
            JOB_FUNCTION,
            args=("",),
            id="template",
            connection=Redis(),  # never used: a Job only wants to hold one
            serializer=JSONSerializer,
            origin=name,
            description=DESCRIPTION,
            timeout=int(skill_timeout_s) + SENDING_ALLOWANCE_S,
            result_ttl=result_ttl_s,
            failure_ttl=FAILURE_TTL_S,
            status=JobStatus.QUEUED,
        )
        stored = job.to_dict(include_meta=False, include_result=False)
        for varying in ("data", "created_at"):
            del stored[varying]
        filled = ((name, value) for name, value in stored.items() if value != "")
        return cls(name, tuple(part for field in filled for part in field))

    @property
    def keys(self) -> tuple[str, str]:
        """RQ's set of queues, and this queue's list."""
        return Queue.redis_queues_keys, Queue.redis_queue_namespace_prefix + self.name

    @property
    def failed_key(self) -> str:
        """RQ's registry of this queue's failed jobs."""
        return str(FailedJobRegistry.key_template.format(self.name))

    @property
    def intermediate_key(self) -> str:
        """RQ's list of the jobs that are taken off this queue and not started yet."""
        return IntermediateQueue.get_intermediate_queue_key(self.keys[1])

    @property
    def workers_key(self) -> str:
        """RQ's set of the workers that listen to this queue."""
        return str(WORKERS_BY_QUEUE_KEY % self.name)

    @property
    def worker_prefix(self) -> str:
        """What RQ puts before a worker's name to make its key."""
        return BaseWorker.redis_worker_namespace_prefix

    @property
    def job_prefix(self) -> str:
        """What RQ puts before a job's id to make its key."""
        return Job.redis_job_namespace_prefix

    def job_key(self, job_id: str) -> str:
        """The key of RQ's record of a job."""
        return f"{self.job_prefix}{job_id}"


def job_id_of(message_id: str, number: int | str) -> str:
    """The id of a message's job; jobs are numbered in the order in which they were enqueued.

    `shared/ledger/lua/parts/job_id.lua` makes the same ids.
    """
    return f"{message_id}-{number}"


def message_of_job(job_id: str) -> str:
    """The id of the message that a job is about; "" if the job is none of ours."""
    return job_id.rpartition("-")[0]


def job_data(message_id: str) -> bytes:
    """A job's `data`, as `Job.to_dict` (RQ 3.0) writes it: function, instance, args, kwargs.

    RQ expects zlib's format; so short a text is not worth compressing, nor is it worth what
    `zlib.compress` takes to store it as it is (RFC 1950, RFC 1951 3.2.4). An id is hex, which JSON
    writes as it is.
    """
    call = _CALL % message_id.encode()
    size, check = len(call), adler32(call)
    return b"".join((_ZLIB_STORED, _LENGTHS.pack(size, size ^ 0xFFFF), call, _CHECK.pack(check)))


def rq_now() -> str:
    """The present as RQ writes it into `created_at` and `enqueued_at`."""
    return utcformat(datetime.now(UTC))
