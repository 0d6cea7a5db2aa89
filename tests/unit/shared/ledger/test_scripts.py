"""The names that the ledger's scripts and its Python share."""

from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.queue import job_id_of, message_of_job
from tests.support.builders import a_message
from tests.support.ledger_harness import LedgerHarness


def test_the_keys_keep_their_names() -> None:
    """They are in Redis: to change one would lose what is stored under it."""
    keys = LedgerKeys("dingda")
    named = (keys.count, keys.dead, keys.due, keys.queued, keys.resting, keys.line("k"))
    assert keys.histograms == "dingda:histograms"
    assert named == (
        "dingda:count",
        "dingda:dead",
        "dingda:due",
        "dingda:queued",
        "dingda:resting",
        "dingda:line:k",
    )
    assert keys.message("id") == "dingda:message:id"
    assert keys.dead_letter_payload("id") == "dingda:letter:id"
    assert keys.ended("0123456789abcdef0123456789abcdef") == "dingda:ended:0123456789abcdef01234567"


async def test_a_jobs_id_is_made_and_read_as_the_scripts_do(harness: LedgerHarness) -> None:
    message = a_message()
    await harness.accept(message)
    job_id = await harness.pop()
    assert job_id is not None
    assert job_id == job_id_of(message.id, 1)
    assert message_of_job(job_id) == message.id
