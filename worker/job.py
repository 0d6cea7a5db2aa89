"""The function that RQ's jobs call. Its path, `worker.job.answer`, is stored in Redis."""

from dingda.shared.runtime.settings import load_settings
from dingda.worker.app import open_answerer


async def answer(message_id: str) -> None:
    """Answer a message in a stock RQ worker, with the settings of its environment.

    `python -m worker` never calls this: it keeps its connections open between messages.
    """
    async with open_answerer(load_settings()) as parts:
        await parts.answerer.answer(message_id)
