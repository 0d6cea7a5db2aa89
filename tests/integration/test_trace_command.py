"""`dingda trace` on real processes: from a message that was answered to what became of it."""

import json
from pathlib import Path

from tests.support.builders import a_callback, a_message
from tests.support.processes import (
    SessionWebhook,
    gateway,
    post_callback,
    process,
    valkey,
    worker,
)


def typed(url: str, *arguments: str) -> tuple[int, str]:
    """What a command prints, and its exit status."""
    command = ("-m", "dingda", "trace", *arguments)
    with process(*command, env={"DINGDA_REDIS_URL": url}) as ran:
        status = ran.popen.wait(60)
    return status, ran.output


def test_a_message_is_traced_by_its_sender_its_id_and_dingtalks(tmp_path: Path) -> None:
    with valkey(tmp_path) as server, SessionWebhook() as dingtalk:
        body = {"sessionWebhook": dingtalk.url(), "msgId": "traced", "senderStaffId": "manager1"}
        with (
            gateway(server.url) as (_, address),
            worker(
                server.url, dingtalk.origin, DINGDA_SKILLS="dingda.worker.skills.demo"
            ) as answers,
        ):
            post_callback(address, a_callback("text", **body))
            dingtalk.wait_for(1)
            answers.wait_for("answered: queue")
        message = a_message("text", **body)
        status, listed = typed(server.url, "--sender", "manager1", "--since", "1h", "--json")
        assert status == 0
        assert [(one["id"], one["outcome"]) for one in json.loads(listed)] == [
            (message.id, "answered")
        ]
        for wanted in ([message.id[:12]], ["--msg-id", "traced"]):
            status, shown = typed(server.url, *wanted)
            assert status == 0
            assert message.id in shown
        status, said = typed(server.url, "--sender", "nobody")
        assert status == 1
        assert said.startswith("No message fits. The journal holds the 1 that ended since")
        assert typed(server.url, "--since", "soon")[0] == 2
