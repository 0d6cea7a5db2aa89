"""What replicas have of a step before it counts, on a real primary and a real replica."""

import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest
from redis.asyncio import Redis

from dingda.shared.errors import NotReplicatedError
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import AcceptResult, Completion, Lease, Outcome, PreparedReply
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_worker_redis
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.processes import Valkey, valkey, wait_until

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
PREPARED = PreparedReply(b"{}", Completion(Outcome.ANSWERED))


class Pair(NamedTuple):
    """A primary with one replica."""

    primary: Valkey
    replica: Valkey

    def require_replicas(self, count: int) -> None:
        with self.primary.client() as client:
            client.config_set("min-replicas-to-write", count)
            client.config_set("min-replicas-max-lag", 10)

    def calls(self, command: str) -> int:
        with self.primary.client() as client:
            stats: Any = client.info("commandstats")
        return int(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"])

    def wait_until_in_step(self) -> None:
        with self.replica.client() as client:
            wait_until(lambda: client.info("replication")["master_link_status"] == "up")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    prompt = {"repl-diskless-sync-delay": "0"}
    with valkey(folder / "primary", **prompt) as primary:
        follow = {"replicaof": f"127.0.0.1 {primary.port}"}
        with valkey(folder / "replica", **prompt, **follow) as replica:
            yield Pair(primary, replica)


@pytest.fixture
def pair(servers: Pair) -> Iterator[Pair]:
    """The servers, empty and in step."""
    servers.require_replicas(0)
    servers.wait_until_in_step()
    with servers.primary.client() as client:
        client.flushall()
    yield servers
    servers.replica.signal(signal.SIGCONT)


@pytest.fixture
async def redis(pair: Pair) -> AsyncIterator[Redis]:
    client = create_worker_redis(RedisAddress(pair.primary.url))
    yield client
    await client.aclose()


@pytest.fixture
async def ledger(pair: Pair, redis: Redis) -> Ledger:
    """A ledger whose scripts the server knows, and nothing else."""
    ledger = Ledger(redis, QUEUE, replicas=1)
    lease = await leased(ledger, "a")
    await ledger.claim_send(lease)
    await ledger.finish(lease, Completion(Outcome.ANSWERED))
    with pair.primary.client() as client:
        client.flushall()
        client.config_resetstat()
    return ledger


async def accept(ledger: Ledger, *names: str) -> list[AcceptResult]:
    messages = [(a_message(msgId=name), a_callback(msgId=name)) for name in names]
    return await ledger.accept(messages, backlog_limit=100)


async def leased(ledger: Ledger, name: str) -> Lease:
    await accept(ledger, name)
    lease = await ledger.lease(a_message(msgId=name).id)
    assert isinstance(lease, Lease)
    return lease


async def unreplicated(redis: Redis) -> int:
    return (await LedgerAdmin(redis, QUEUE).counts()).unreplicated


async def test_what_a_replica_has_in_time_is_not_counted(
    pair: Pair, redis: Redis, ledger: Ledger
) -> None:
    lease = await leased(ledger, "a")
    await ledger.claim_send(lease)
    with pair.replica.client() as client:
        assert client.hget(KEYS.message(lease.id), "state") == "sending"
    await ledger.finish(lease, Completion(Outcome.ANSWERED))
    assert await unreplicated(redis) == 0
    assert pair.calls("wait") == 3


async def test_a_batch_waits_once_however_many_messages_it_stores(
    pair: Pair, ledger: Ledger
) -> None:
    await accept(ledger, "a", "b", "c")
    assert pair.calls("wait") == 1


@pytest.mark.usefixtures("ledger")
async def test_replicas_are_not_asked_where_none_are_wanted(pair: Pair, redis: Redis) -> None:
    alone = Ledger(redis, QUEUE)
    lease = await leased(alone, "a")
    await alone.claim_send(lease)
    await alone.finish(lease, Completion(Outcome.ANSWERED))
    assert pair.calls("wait") == 0


async def test_a_lease_which_may_be_forgotten_waits_for_nobody(pair: Pair, ledger: Ledger) -> None:
    await leased(ledger, "a")
    assert pair.calls("wait") == 1


async def test_messages_that_no_replica_has_in_time_are_acknowledged_and_counted(
    pair: Pair, redis: Redis, ledger: Ledger
) -> None:
    pair.replica.signal(signal.SIGSTOP)
    assert await accept(ledger, "a", "b") == [AcceptResult.ACCEPTED] * 2
    assert await unreplicated(redis) == 2


async def test_nothing_is_sent_on_a_claim_that_no_replica_has_where_the_server_insists_on_one(
    pair: Pair, ledger: Ledger
) -> None:
    pair.require_replicas(1)
    lease = await leased(ledger, "a")
    pair.replica.signal(signal.SIGSTOP)
    with pytest.raises(NotReplicatedError):
        await ledger.claim_send(lease)
    await ledger.retry(lease, pause_ms=0, prepared=PREPARED)
    pair.replica.signal(signal.SIGCONT)
    again = await ledger.lease(lease.id)
    assert isinstance(again, Lease)
    await ledger.claim_send(again)


async def test_a_reply_is_sent_while_replicas_are_away_where_the_server_goes_on_without_them(
    pair: Pair, redis: Redis, ledger: Ledger
) -> None:
    lease = await leased(ledger, "a")
    pair.replica.signal(signal.SIGSTOP)
    await ledger.claim_send(lease)
    assert await unreplicated(redis) == 2  # claimed once more, where the primary might be by then


async def test_a_reply_is_sent_with_fewer_replicas_than_we_wait_for_if_they_do_for_the_server(
    pair: Pair, redis: Redis
) -> None:
    pair.require_replicas(1)
    ledger = Ledger(redis, QUEUE, replicas=2)
    await ledger.claim_send(await leased(ledger, "a"))
    assert await unreplicated(redis) > 0


async def test_a_user_who_may_not_call_wait_has_everything_counted(
    pair: Pair, redis: Redis, ledger: Ledger
) -> None:
    with pair.primary.client() as client:
        client.acl_setuser("default", enabled=True, commands=["-wait"])
        try:
            assert await accept(ledger, "a") == [AcceptResult.ACCEPTED]
            assert await unreplicated(redis) == 1
        finally:
            client.acl_setuser("default", enabled=True, commands=["+wait"])


async def test_a_server_that_has_just_started_learns_the_scripts_and_waits(
    pair: Pair, redis: Redis, ledger: Ledger
) -> None:
    with pair.primary.client() as client:
        client.script_flush()
    await ledger.claim_send(await leased(ledger, "a"))
    with pair.replica.client() as client:
        assert client.hget(KEYS.message(a_message(msgId="a").id), "state") == "sending"
    assert await unreplicated(redis) == 0
