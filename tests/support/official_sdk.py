"""A bot on DingTalk's own SDK, which writes what it receives: `python -m` this, in a process.

Its environment holds CLIENT_ID, CLIENT_SECRET and the SDK's own DINGTALK_OPENAPI_ENDPOINT. Each
line of its output that begins with `{` is a frame: its topic, its headers and its data.
"""

import json
import os
import sys
from typing import Any

import dingtalk_stream
from dingtalk_stream import AckMessage, ChatbotMessage


def tell(topic: str, headers: object, data: object) -> None:
    fields = {"topic": topic, "headers": vars(headers), "data": data}
    sys.stdout.write(f"{json.dumps(fields, ensure_ascii=False)}\n")
    sys.stdout.flush()


class Callbacks(dingtalk_stream.CallbackHandler):  # type: ignore[misc]  # it has no types
    async def process(self, callback: Any) -> tuple[int, object]:
        tell(callback.headers.topic, callback.headers, callback.data)
        return AckMessage.STATUS_OK, "OK"


class Events(dingtalk_stream.EventHandler):  # type: ignore[misc]  # it has no types
    async def process(self, event: Any) -> tuple[int, str]:
        tell(event.headers.topic, event.headers, event.data)
        return AckMessage.STATUS_OK, "OK"


def main() -> None:
    credential = dingtalk_stream.Credential(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
    client = dingtalk_stream.DingTalkStreamClient(credential)
    client.register_all_event_handler(Events())
    for topic in (ChatbotMessage.TOPIC, dingtalk_stream.CallbackHandler.TOPIC_CARD_CALLBACK):
        client.register_callback_handler(topic, Callbacks())
    client.start_forever()


if __name__ == "__main__":
    main()
