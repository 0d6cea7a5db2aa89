"""An AnswerJob runs our function and no other, whatever is in Redis."""

import inspect
import json
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from rq.callbacks import Callback
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.webhook import Webhook

from dingda.shared.queue import JOB_FUNCTION, JobQueue, job_data
from dingda.worker.engine.answer_job import AnswerJob, ForbiddenJobError, message_id_of

MESSAGE_ID = "ab" * 32


@pytest.fixture
def redis() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis()


def fetched(job_id: str, redis: fakeredis.FakeRedis) -> AnswerJob:
    job = AnswerJob.fetch(job_id, connection=redis, serializer=JSONSerializer)
    assert isinstance(job, AnswerJob)
    return job


def stored(
    redis: fakeredis.FakeRedis, data: bytes = job_data(MESSAGE_ID), **fields: Any
) -> AnswerJob:
    """Put a job there as the ledger does, with changes, and read it as the worker does."""
    flat = JobQueue.create("dingda", skill_timeout_s=30).fields
    mapping: Any = dict(zip(flat[::2], flat[1::2], strict=True)) | {"data": data} | fields
    redis.hset("rq:job:a-1", mapping=mapping)
    return fetched("a-1", redis)


def calling(function: str, *args: Any, instance: Any = None, **kwargs: Any) -> bytes:
    return zlib.compress(json.dumps([function, instance, args, kwargs]).encode())


def test_our_job_names_its_message() -> None:
    assert message_id_of(job_data(MESSAGE_ID)) == MESSAGE_ID


def test_a_job_that_rq_itself_has_written_names_its_message(redis: fakeredis.FakeRedis) -> None:
    job = Job.create(JOB_FUNCTION, args=(MESSAGE_ID,), connection=redis, serializer=JSONSerializer)
    assert message_id_of(job.to_dict()["data"]) == MESSAGE_ID


def test_a_job_of_a_later_version_names_its_message() -> None:
    assert message_id_of(calling("dingda.worker.job.answer", MESSAGE_ID)) == MESSAGE_ID


@pytest.mark.parametrize(
    "data",
    [
        calling("os.system", "true"),
        calling("worker.job.load_settings"),
        calling("worker.job.answer.__call__", MESSAGE_ID),
        calling("dingda.worker.job.load_settings", MESSAGE_ID),
        calling("dingda.dingda.worker.job.answer", MESSAGE_ID),
        calling("job.answer", MESSAGE_ID),
        calling("builtins.eval", "1"),
        calling("", MESSAGE_ID),
        calling("answer", MESSAGE_ID, instance="worker.job"),
        calling(JOB_FUNCTION, MESSAGE_ID, instance={"a": 1}),
        calling(JOB_FUNCTION),
        calling(JOB_FUNCTION, MESSAGE_ID, "more"),
        calling(JOB_FUNCTION, 7),
    ],
)
def test_a_job_that_calls_anything_else_is_forbidden(data: bytes) -> None:
    with pytest.raises(ForbiddenJobError, match=JOB_FUNCTION):
        message_id_of(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        zlib.compress(b"[1]"),
        b"\x80\x04K\x01.",
        b"x" * 99,
        zlib.compress(b"[" * 1_000_000),
        zlib.compress(b" " * 100_000_000),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_a_job_that_cannot_be_read_names_no_message(data: bytes) -> None:
    with pytest.raises(ForbiddenJobError, match="unreadable"):
        message_id_of(data)


def test_no_pickle_is_loaded(redis: fakeredis.FakeRedis, tmp_path: Path) -> None:
    witness = tmp_path / "executed"
    pickle = f"cposix\nsystem\n(S'touch {witness}'\ntR.".encode()
    for fields in ({"data": pickle}, {"meta": pickle}, {"result": pickle}):
        with suppress(DeserializationError):
            _ = stored(redis, **fields).func_name
    with pytest.raises(ForbiddenJobError):
        message_id_of(pickle)
    assert not witness.exists()


def test_performing_it_as_a_stock_worker_would_is_refused(redis: fakeredis.FakeRedis) -> None:
    with pytest.raises(ForbiddenJobError):
        stored(redis).perform()


def test_callbacks_and_webhooks_of_a_planted_job_are_left_out(redis: fakeredis.FakeRedis) -> None:
    planted = Job.create(
        JOB_FUNCTION,
        args=(MESSAGE_ID,),
        id="a-2",
        connection=redis,
        serializer=JSONSerializer,
        on_success=Callback("os.getcwd"),
        on_failure=Callback("os.getcwd"),
        on_stopped=Callback("os.getcwd"),
        webhooks=[Webhook("https://stranger.example/", "failed")],
    )
    planted.save()
    as_rq_reads = Job.fetch("a-2", connection=redis, serializer=JSONSerializer)
    assert as_rq_reads.success_callback
    assert as_rq_reads.webhooks
    job = fetched("a-2", redis)
    callbacks = (job.success_callback, job.failure_callback, job.stopped_callback)
    assert callbacks == (None, None, None)
    assert job.webhooks == []


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "nonsense"},
        {"timeout": "soon"},
        {"created_at": "yesterday"},
        {"result_ttl": "x"},
        {"dependency_ids": "[1,"},
        {"origin": b"\xff\xfe"},
    ],
)
def test_a_job_that_cannot_be_read_does_not_exist_for_rq(
    redis: fakeredis.FakeRedis, fields: dict[str, Any]
) -> None:
    with pytest.raises(NoSuchJobError):
        stored(redis, **fields)


def test_a_job_without_data_does_not_exist(redis: fakeredis.FakeRedis) -> None:
    redis.hset("rq:job:a-1", "status", "queued")
    with pytest.raises(NoSuchJobError):
        AnswerJob.fetch("a-1", connection=redis, serializer=JSONSerializer)


def test_the_name_in_the_queue_is_that_of_the_function_a_stock_worker_calls() -> None:
    module, _, name = JOB_FUNCTION.rpartition(".")
    function = getattr(__import__(module, fromlist=[name]), name)
    assert inspect.iscoroutinefunction(function)
    assert list(inspect.signature(function).parameters) == ["message_id"]
