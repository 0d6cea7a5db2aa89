"""Redis with Sentinel: primaries die, freeze, come back and are moved, and replicas are lost.

Every row counts what was acknowledged and is gone, and what was answered twice. With one replica
that has what is acknowledged, both are none.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_bounded_redis
from tests.faults.conftest import Figure
from tests.faults.environment import (
    BUSY,
    FaultEnvironment,
    environment_with_sentinels,
    session_of,
)
from tests.faults.load import Ack, Load, load
from tests.support.builders import KEYS, a_callback
from tests.support.processes import Valkey, valkey, wait_until
from tests.support.sentinels import SentinelDeployment

ACK_WITHIN_S = 2.0
"""Our own bound is one second; the rest is for a machine that is busy with other tests."""
ENDS_WITHIN_S = 90.0
"""A lease that was lost runs out after twenty seconds, and a busy machine takes its time."""
PER_S = 40.0
BEFORE, AFTER = 80, 200
"""How many messages are stored before something breaks, and after it."""
KILLS = 8
SLOW = "慢 0.5"
"""Some twenty such messages are under way at any moment: claims and ends fall into the failover."""


class Row:
    """A bot on Redis with Sentinel, and what has been said to it.

    Args:
        env: the bot.
        redis: its servers and Sentinels.
    """

    def __init__(self, env: FaultEnvironment, redis: SentinelDeployment) -> None:
        self.env = env
        self.redis = redis

    @contextmanager
    def under_load(self) -> Iterator[Load]:
        """Say something all the time; it ends once more has been stored after the body."""
        with load(self.env, SLOW, per_s=PER_S, senders=64) as self.sent:
            self.sent.wait_for_stored(BEFORE)
            yield self.sent
            self.sent.wait_for_stored(AFTER)

    def wait_for_end(self) -> None:
        """Wait until no message is open, on whichever server is the primary."""

        def nothing_is_open() -> bool:
            self.env.server = self.redis.primary
            return self.env.counts().open == 0

        wait_until(nothing_is_open, within_s=ENDS_WITHIN_S)

    @property
    def lost(self) -> list[Ack]:
        """What was acknowledged, and neither answered nor kept as a dead letter."""
        shown, dead = self.env.shown(), self._dead
        return [
            ack
            for ack in self.sent.stored
            if shown[_session(ack)] == 0 and _message(ack).id not in dead
        ]

    @property
    def answered_twice(self) -> list[str]:
        return [session for session, times in self.env.shown().items() if times > 1]

    @property
    def unknown_and_not_shown(self) -> list[Ack]:
        """Dead letters that most likely were answered, as they say, and were not."""
        shown, dead = self.env.shown(), self._dead
        return [a for a in self.sent.acks if _message(a).id in dead and not shown[_session(a)]]

    @property
    def _dead(self) -> frozenset[str]:
        with self.env.server.client() as client:
            return frozenset(map(str, client.zrange(KEYS.dead, 0, -1)))

    def expect_everything_answered_once(self) -> None:
        """The check that ends a row: nothing lost, nothing twice, nothing open, the sum right."""
        self.wait_for_end()
        counts = self.env.counts()
        assert counts.dead.keys() <= {"unknown"}
        self.env.expect_ends(answered=counts.answered, dead=counts.dead)
        assert self.lost == []
        assert self.answered_twice == []
        assert self.unknown_and_not_shown == []
        assert self.sent.outcomes.keys() <= {"stored", "busy"}
        assert self.sent.longest_s < ACK_WITHIN_S

    def note(self, figure: Figure, name: str) -> None:
        """Note what the row is about: lost, twice, and how long senders heard that we are busy."""
        dead = sum(self.env.counts().dead.values())
        acks = self.sent.outcomes
        figure(
            name,
            f"{len(self.lost)} of {acks['stored']} lost, {len(self.answered_twice)} twice, "
            f"{dead} unknown; nothing stored for {self.sent.longest_pause_s:.1f} s, "
            f"{acks['busy']} busy, longest ack {self.sent.longest_s * 1000:.0f} ms",
        )


@contextmanager
def running_row(folder: Path, *, replicas: int = 1, min_replicas: int = 1) -> Iterator[Row]:
    """Servers, Sentinels, a gateway and two workers."""
    with (
        environment_with_sentinels(folder, replicas=replicas, min_replicas=min_replicas) as (
            env,
            redis,
        ),
        env.worker(),
        env.worker(),
    ):
        yield Row(env, redis)


@contextmanager
def pair(folder: Path) -> Iterator[tuple[Valkey, Valkey]]:
    """A primary and a replica that is in step."""
    prompt = {"repl-diskless-sync-delay": "0"}
    with valkey(folder / "primary", **prompt) as primary:
        follow = {"replicaof": f"127.0.0.1 {primary.port}"}
        with valkey(folder / "replica", **prompt, **follow) as replica, replica.client() as client:
            wait_until(lambda: client.info("replication")["master_link_status"] == "up")
            yield primary, replica


async def accept_until_killed(primary: Valkey, *, replicas: int) -> list[str]:
    """Accept messages two by two, from four sides, until the primary is killed amid them.

    Returns:
        The ids of those that were acknowledged.
    """
    bodies = [a_callback(msgId=f"msg{number}") for number in range(4_000)]
    messages = [(parse(body), body) for body in bodies]
    couples = iter(list(zip(messages[::2], messages[1::2], strict=True)))
    acknowledged: list[str] = []

    async def accept(ledger: Ledger) -> None:
        with suppress(RedisError):
            for couple in couples:
                await ledger.accept(couple, backlog_limit=len(messages))
                acknowledged.extend(message.id for message, _ in couple)
                if len(acknowledged) > len(messages) // 3:
                    primary.kill()

    async with create_bounded_redis(RedisAddress(primary.url), timeout_s=1.0) as redis:
        queue = JobQueue.create("dingda", skill_timeout_s=30)
        ledgers = [Ledger(redis, queue, replicas=replicas) for _ in range(4)]
        await asyncio.gather(*map(accept, ledgers))
    return acknowledged


def count_stored(server: Valkey, message_ids: list[str]) -> int:
    with server.client() as client:
        return int(client.exists(*map(KEYS.message, message_ids)))


def parse(body: bytes) -> Message:
    message = parse_message(body)
    assert isinstance(message, Message)
    return message


def _message(ack: Ack) -> Message:
    return parse(ack.body)


def _session(ack: Ack) -> str:
    return session_of(_message(ack).session_webhook)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.fault("F59")
def test_a_primary_that_dies_takes_no_message_with_it(tmp_path: Path, figure: Figure) -> None:
    with running_row(tmp_path) as row:
        with row.under_load():
            old = row.redis.primary
            old.kill()
            row.redis.wait_for_other_primary(old)
        row.expect_everything_answered_once()
        row.note(figure, "killed")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.fault("F59")
async def test_what_a_replica_has_confirmed_outlives_a_kill_amid_thousands_of_writes(
    tmp_path: Path, figure: Figure
) -> None:
    for replicas in (0, 1):
        acknowledged = lost = 0
        for kill in range(KILLS):
            with pair(tmp_path / f"{replicas}-{kill}") as (primary, replica):
                ids = await accept_until_killed(primary, replicas=replicas)
                acknowledged += len(ids)
                lost += len(ids) - count_stored(replica, ids)
        words = f"{lost} of {acknowledged} acknowledged lost in {KILLS} kills"
        figure(f"DINGDA_REDIS_REPLICAS={replicas}, without a pause", words)
    assert lost == 0


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.fault("F60")
def test_a_primary_that_freezes_for_long_does_no_harm_when_it_wakes(
    tmp_path: Path, figure: Figure
) -> None:
    with running_row(tmp_path) as row:
        with row.under_load() as sent:
            old = row.redis.primary
            with old.frozen():
                row.redis.wait_for_other_primary(old)
                sent.wait_for_stored(AFTER)
            row.redis.wait_for_replicas()
        row.expect_everything_answered_once()
        row.note(figure, "frozen for long")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.fault("F60")
@pytest.mark.parametrize("min_replicas", [1, 0])
def test_what_a_primary_grants_as_it_wakes_is_asked_for_once_more(
    tmp_path: Path, figure: Figure, min_replicas: int
) -> None:
    with running_row(tmp_path, min_replicas=min_replicas) as row:
        with row.under_load():
            old = row.redis.primary
            # Until the workers' steps still wait for it: it takes them before it knows better.
            with old.frozen():
                row.redis.wait_for_other_primary(old)
            row.redis.wait_for_replicas()
        row.expect_everything_answered_once()
        row.note(figure, f"frozen for 3 s, min-replicas-to-write {min_replicas}")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.fault("F61")
def test_a_primary_that_comes_back_after_its_death_does_no_harm(
    tmp_path: Path, figure: Figure
) -> None:
    with running_row(tmp_path) as row:
        with row.under_load():
            old = row.redis.primary
            old.kill()
            row.redis.wait_for_other_primary(old)
            old.start()  # as a primary, which it was
            row.redis.wait_for_replicas()
        row.expect_everything_answered_once()
        row.note(figure, "killed, and back")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.fault("F62")
def test_a_primary_is_moved_for_maintenance_without_a_loss(tmp_path: Path, figure: Figure) -> None:
    with running_row(tmp_path) as row:
        with row.under_load():
            row.redis.fail_over("COORDINATED")
            row.redis.wait_for_replicas()
        row.expect_everything_answered_once()
        row.note(figure, "coordinated")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.fault("F63")
@pytest.mark.parametrize("replicas", [1, 2])
def test_of_two_replicas_one_may_be_lost(tmp_path: Path, figure: Figure, replicas: int) -> None:
    with running_row(tmp_path, replicas=replicas) as row:
        with row.under_load():
            row.redis.replicas[0].kill()
        row.expect_everything_answered_once()
        assert set(row.sent.outcomes) == {"stored"}
        row.note(figure, f"one replica killed, DINGDA_REDIS_REPLICAS={replicas}")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.fault("F63")
def test_without_a_replica_senders_hear_busy_until_one_is_back(
    tmp_path: Path, figure: Figure
) -> None:
    with running_row(tmp_path) as row:
        with row.under_load() as sent:
            first, second = row.redis.replicas
            first.kill()
            second.kill()
            wait_until(lambda: sent.outcomes["busy"] >= 100, within_s=60)
            assert BUSY in row.env.say(SLOW).text
            first.start()
        row.expect_everything_answered_once()
        row.note(figure, "both replicas killed")
