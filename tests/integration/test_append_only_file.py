"""What Redis's append-only file keeps of a message that has ended, as docs/security.md says."""

from contextlib import suppress
from pathlib import Path

from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, Lease, Outcome
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_worker_redis
from tests.support.builders import a_callback, a_message
from tests.support.processes import ROOT, valkey, wait_until

WORDS = "canary-in-the-words"


def kept(folder: Path) -> bool:
    return any(WORDS.encode() in content(file) for file in folder.rglob("*") if file.is_file())


def content(file: Path) -> bytes:
    """What is in a file; nothing if the server has just removed it."""
    with suppress(FileNotFoundError):
        return file.read_bytes()
    return b""


async def test_words_of_an_ended_message_stay_until_the_file_is_rewritten(tmp_path: Path) -> None:
    with valkey(tmp_path, appendfsync="always") as server:
        redis = create_worker_redis(RedisAddress(server.url))
        ledger = Ledger(redis, JobQueue.create("dingda", skill_timeout_s=30))
        await ledger.accept([(a_message(WORDS), a_callback(WORDS))], backlog_limit=1)
        lease = await ledger.lease(a_message(WORDS).id)
        assert isinstance(lease, Lease)
        await ledger.finish(lease, Completion(Outcome.ANSWERED))
        assert kept(tmp_path)
        await redis.bgrewriteaof()
        wait_until(lambda: not kept(tmp_path))
        await redis.aclose()


def test_compose_rewrites_the_file_before_it_is_large() -> None:
    assert "--auto-aof-rewrite-min-size 8mb" in (ROOT / "docker-compose.yml").read_text("utf-8")
