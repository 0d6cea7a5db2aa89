"""Cards made by DingTalk's own SDK: `python -m` this, in a process with the SDK's environment.

Its argument is a callback, which the cards answer. Its output are the cards' ids, one a line: one
whose text grew to its end, one that failed, and one with a button.
"""

import json
import os
import sys

import dingtalk_stream
from dingtalk_stream import AICardReplier, CardReplier, ChatbotMessage

from dingda.simulator.dingtalk.card_templates import ACTION_TEMPLATE, ANSWER_TEMPLATE


def main() -> None:
    credential = dingtalk_stream.Credential(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
    client = dingtalk_stream.DingTalkStreamClient(credential)
    message = ChatbotMessage.from_dict(json.loads(sys.argv[1]))
    growing = AICardReplier(client, message)
    told = []
    for is_failed in (False, True):
        card_id = growing.start(ANSWER_TEMPLATE, {"content": ""})
        for text, is_over in (("# 一", False), ("# 一二", True)):
            growing.streaming(
                card_id, "content", text, append=False, finished=is_over, failed=False
            )
        end = growing.fail if is_failed else growing.finish
        end(card_id, {"content": "# 一二三"})
        told.append(card_id)
    acting = CardReplier(client, message)
    button = {
        "text": "同意",
        "event": {"type": "sendCardRequest", "params": {"actionId": "approve", "params": {}}},
    }
    data = {"title": "请假", "buttons": json.dumps([button])}
    told.append(acting.create_and_deliver_card(ACTION_TEMPLATE, data, at_sender=True))
    sys.stdout.write("\n".join(told) + "\n")


if __name__ == "__main__":
    main()
