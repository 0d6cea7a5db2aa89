"""A bot as the README of DingTalk's own SDK has it: one process, which stores nothing.

It answers as `lookup_skill` does. The waiting is asynchronous, which is the SDK's better side; the
reply is not, because its `reply_text` is a blocking call.
"""

import asyncio
import logging
import os
from typing import Any

import dingtalk_stream
from dingtalk_stream import AckMessage, ChatbotMessage


class LookupHandler(dingtalk_stream.ChatbotHandler):  # type: ignore[misc]  # it has no types
    """Waits as long as the message says, and says so."""

    def __init__(self) -> None:
        super().__init__()
        self._failed: set[str] = set()

    async def process(self, callback: Any) -> tuple[int, str]:
        """Answer a message; the SDK acknowledges it after that."""
        message = ChatbotMessage.from_dict(callback.data)
        word, _, argument = message.text.content.strip().partition(" ")
        if word == "坏" or (word == "坏一次" and message.message_id not in self._failed):
            self._failed.add(message.message_id)
            raise RuntimeError("the look-up failed")
        await asyncio.sleep(float(argument or 0))
        self.reply_text("等好了", message)
        return AckMessage.STATUS_OK, "OK"


def main() -> None:
    """Connect with CLIENT_ID and CLIENT_SECRET to the SDK's own DINGTALK_OPENAPI_ENDPOINT."""
    logging.basicConfig(level=logging.WARNING)
    credential = dingtalk_stream.Credential(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
    client = dingtalk_stream.DingTalkStreamClient(credential)
    client.register_callback_handler(ChatbotMessage.TOPIC, LookupHandler())
    client.start_forever()


if __name__ == "__main__":
    main()
