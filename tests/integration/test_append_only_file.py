"""What Redis's append-only file keeps of a message that has ended, as docs/security.md says."""

from pathlib import Path

from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import End, Ending, Lease
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.redis import patient
from tests.support.builders import a_callback, a_message
from tests.support.processes import ROOT, valkey, wait_until

WORDS = "canary-in-the-words"


def kept(folder: Path) -> bool:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return any(WORDS.encode() in file.read_bytes() for file in files)


async def test_words_of_an_ended_message_stay_until_the_file_is_rewritten(tmp_path: Path) -> None:
    with valkey(tmp_path, appendfsync="always") as server:
        redis = patient(server.url)
        ledger = Ledger(redis, JobQueue.create("dingda", skill_timeout_s=30))
        await ledger.accept([(a_message(WORDS), a_callback(WORDS))], backlog_limit=1)
        lease = await ledger.lease(a_message(WORDS).id)
        assert isinstance(lease, Lease)
        await ledger.done(lease, Ending(End.ANSWERED))
        assert kept(tmp_path)
        await redis.bgrewriteaof()
        wait_until(lambda: not kept(tmp_path))
        await redis.aclose()


def test_compose_rewrites_the_file_before_it_is_large() -> None:
    assert "--auto-aof-rewrite-min-size 8mb" in (ROOT / "docker-compose.yml").read_text("utf-8")
