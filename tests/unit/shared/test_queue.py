import json
import re
import zlib
from typing import Any

import fakeredis
import pytest
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from dingda.shared.queue import (
    DESCRIPTION,
    FAILURE_TTL_S,
    JOB_FUNCTION,
    SENDING_ALLOWANCE_S,
    JobQueue,
    job_data,
    rq_now,
)
from tests.support.builders import a_message

MESSAGE_ID = a_message().id
RESULT_TTL_S = 60


def as_stored(value: str | int) -> bytes:
    return value.encode() if isinstance(value, str) else b"%d" % value


def call_in(data: bytes) -> Any:
    return json.loads(zlib.decompress(data))


def what_we_store(queue: JobQueue, message_id: str) -> dict[bytes, bytes]:
    names, values = queue.fields[::2], queue.fields[1::2]
    stored = {as_stored(name): as_stored(value) for name, value in zip(names, values, strict=True)}
    moment = as_stored(rq_now())
    return stored | {
        b"data": job_data(message_id),
        b"created_at": moment,
        b"enqueued_at": moment,
    }


def rq_queue(redis: fakeredis.FakeRedis, name: str = "dingda") -> Queue:
    return Queue(name, connection=redis, serializer=JSONSerializer)


def enqueue_by_rq(redis: fakeredis.FakeRedis, *, timeout_s: int) -> Job:
    return rq_queue(redis).enqueue_call(
        JOB_FUNCTION,
        args=(MESSAGE_ID,),
        timeout=timeout_s,
        result_ttl=RESULT_TTL_S,
        failure_ttl=FAILURE_TTL_S,
        description=DESCRIPTION,
        job_id=f"{MESSAGE_ID}-1",
    )


def test_a_job_is_stored_field_by_field_as_rq_stores_it_without_what_is_empty() -> None:
    redis = fakeredis.FakeRedis()
    job = enqueue_by_rq(redis, timeout_s=30 + SENDING_ALLOWANCE_S)
    found: Any = redis.hgetall(job.key)
    by_rq = {name: value for name, value in found.items() if value != b""}
    queue = JobQueue.create("dingda", skill_timeout_s=30, result_ttl_s=RESULT_TTL_S)
    ours = what_we_store(queue, MESSAGE_ID)
    assert ours.keys() == by_rq.keys()
    assert call_in(ours.pop(b"data")) == call_in(by_rq.pop(b"data"))
    for moment in (b"created_at", b"enqueued_at"):
        del ours[moment], by_rq[moment]
    assert ours == by_rq


def test_rq_reads_a_field_that_is_left_out_as_it_reads_one_that_is_empty() -> None:
    redis = fakeredis.FakeRedis()
    job = enqueue_by_rq(redis, timeout_s=30 + SENDING_ALLOWANCE_S)
    found: Any = redis.hgetall(job.key)
    empty = [name for name, value in found.items() if value == b""]
    whole = Job.fetch(job.id, connection=redis, serializer=JSONSerializer).to_dict()
    redis.hdel(job.key, *empty)
    assert Job.fetch(job.id, connection=redis, serializer=JSONSerializer).to_dict() == whole
    assert len(empty) == 8


def test_times_are_written_as_rq_writes_them() -> None:
    redis = fakeredis.FakeRedis()
    by_rq: Any = redis.hgetall(enqueue_by_rq(redis, timeout_s=60).key)
    written = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
    for moment in (rq_now().encode(), by_rq[b"created_at"], by_rq[b"enqueued_at"]):
        assert written.fullmatch(moment)


def test_rq_reads_our_job_as_its_own() -> None:
    redis = fakeredis.FakeRedis()
    queue = JobQueue.create("dingda", skill_timeout_s=12.5, result_ttl_s=RESULT_TTL_S)
    fields: Any = what_we_store(queue, MESSAGE_ID)
    redis.hset(f"{queue.job_prefix}{MESSAGE_ID}-1", mapping=fields)
    job = Job.fetch(f"{MESSAGE_ID}-1", connection=redis, serializer=JSONSerializer)
    assert (job.func_name, list(job.args), job.kwargs) == (JOB_FUNCTION, [MESSAGE_ID], {})
    assert (job.origin, job.timeout, job.get_status().value) == ("dingda", 42, "queued")
    assert (job.result_ttl, job.failure_ttl) == (RESULT_TTL_S, 7 * 24 * 3600)
    assert (job.instance, job.retries_left, job.dependency_ids) == (None, None, [])


def test_the_keys_are_rqs() -> None:
    redis = fakeredis.FakeRedis()
    theirs = rq_queue(redis, "acme")
    ours = JobQueue.create("acme", skill_timeout_s=30)
    assert ours.keys == (theirs.redis_queues_keys, theirs.key)
    assert f"{ours.job_prefix}a-1" == Job.key_for("a-1")


def test_a_job_goes_through_the_queue_that_was_named() -> None:
    fields = JobQueue.create("acme", skill_timeout_s=30).fields
    assert dict(zip(fields[::2], fields[1::2], strict=True))["origin"] == "acme"


@pytest.mark.parametrize("sequence", [1, 10**12])
def test_a_jobs_id_is_one_that_rq_takes(sequence: int) -> None:
    job_id = f"{MESSAGE_ID}-{sequence}"
    job = Job.create(JOB_FUNCTION, id=job_id, connection=fakeredis.FakeRedis())
    assert job.id == job_id


def test_rq_would_refuse_dingtalks_own_id() -> None:
    with pytest.raises(ValueError, match="Job ID must only contain"):
        Job.create(JOB_FUNCTION, id="msg+/AA==", connection=fakeredis.FakeRedis())


def test_the_description_names_no_message() -> None:
    redis = fakeredis.FakeRedis()
    fields: Any = what_we_store(JobQueue.create("dingda", skill_timeout_s=30), MESSAGE_ID)
    redis.hset("rq:job:a", mapping=fields)
    job = Job.fetch("a", connection=redis, serializer=JSONSerializer)
    assert job.description == "Answer a DingTalk message"


def test_nothing_of_a_message_but_its_id_is_in_a_job() -> None:
    assert call_in(job_data(MESSAGE_ID)) == [JOB_FUNCTION, None, [MESSAGE_ID], {}]


@pytest.mark.parametrize("message_id", ["", MESSAGE_ID, "a" * 60_000])
def test_a_jobs_data_is_what_zlib_writes_without_compressing(message_id: str) -> None:
    call = json.dumps([JOB_FUNCTION, None, [message_id], {}], separators=(",", ":"))
    assert job_data(message_id) == zlib.compress(call.encode(), level=0)
