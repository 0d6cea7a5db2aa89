"""RQ's records of the jobs that one worker runs, written for a whole batch in one script call.

RQ's own methods take some thirty commands a job, and most of a worker's time.
`tests/integration/test_job_records.py` compares every key with what RQ itself leaves.

The arguments of a script are named tuples whose fields have the names and the order of the lines
that unpack them: `tests/unit/test_lua_scripts.py` compares the two.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from rq import Queue
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job
from rq.worker import BaseWorker

from dingda.shared.runtime.lua_source import lua_source


class StartedJob(NamedTuple):
    """A job that has started."""

    job_id: str
    execution_id: str
    data: bytes
    """The call, as the job carries it."""
    at_s: float
    """When it started, by our clock."""


class RecordScript:
    """A script that writes records.

    Args:
        name: its file in `lua/`, without the ending.
        client: what runs it. With an `AsyncRedis` a call is to be awaited, else it blocks.
        queue: where the jobs come from.
        worker_name: RQ's name of the worker.
    """

    def __init__(
        self, name: str, client: Redis | AsyncRedis, *, queue: Queue, worker_name: str
    ) -> None:
        self._script = client.register_script(lua_source("dingda.worker.engine", name))
        nothing = Execution("", "", queue.connection, worker_name)
        self._keys = (
            BaseWorker.redis_worker_namespace_prefix + worker_name,
            nothing.worker_executions_key,
        )
        self._arguments = (
            Job.redis_job_namespace_prefix,
            nothing.key.removesuffix(":"),
            ExecutionRegistry("", queue.connection).key,
            worker_name,
        )

    def __call__(
        self,
        keys: Sequence[str],
        arguments: tuple[Any, ...],
        entries: Iterable[tuple[Any, ...]] = (),
    ) -> Any:
        """Run it with these keys and arguments after those that `common.lua` lists.

        Args:
            keys: its own keys.
            arguments: a named tuple of the script's own arguments.
            entries: named tuples that follow them, one for each job.
        """
        own = (*arguments, *(part for each in entries for part in each))
        return self._script(keys=(*self._keys, *keys), args=(*self._arguments, *own))
