"""Pushes on real processes: from `POST /push` and from the command line to a custom robot."""

import json
from pathlib import Path
from urllib.parse import urljoin

import httpx

from tests.support.processes import SessionWebhook, gateway, process, valkey, worker

TOKEN = "0123456789abcdef-canary"


def pushed(address: str, key: str, content: str) -> httpx.Response:
    body = {"to": {"group": "ops"}, "msgtype": "text", "text": {"content": content}}
    headers = {"authorization": f"Bearer {TOKEN}", "idempotency-key": key}
    return httpx.post(urljoin(address, "/push"), json=body, headers=headers)


def typed(env: dict[str, str], *arguments: str) -> tuple[int, str]:
    """What `dingda push` prints, and its exit status."""
    with process("-m", "dingda", "push", *arguments, env=env) as ran:
        status = ran.popen.wait(60)
    return status, ran.output


def test_another_system_and_an_operator_let_the_bot_speak_once_each(tmp_path: Path) -> None:
    with valkey(tmp_path) as server, SessionWebhook() as dingtalk:
        webhook = f"{dingtalk.origin}/robot/send?access_token=t0ken-canary#SEC-canary"
        groups = {
            "DINGDA_GROUPS": json.dumps({"ops": webhook}),
            "DINGDA_SESSION_WEBHOOK_ORIGINS": dingtalk.origin,
            "DINGDA_ALLOW": "http-origin",
        }
        here = {"DINGDA_REDIS_URL": server.url, **groups}
        with (
            gateway(server.url, DINGDA_PUSH_TOKEN=TOKEN, **groups) as (serves, address),
            worker(server.url, dingtalk.origin, DINGDA_GROUPS=groups["DINGDA_GROUPS"]) as works,
        ):
            answers = [pushed(address, "deploy 42", "部署完成") for _ in range(2)]
            assert [answer.status_code for answer in answers] == [202, 200]
            operator = ("--group", "ops", "--markdown", "# 早报\n一切正常", "--key", "report")
            assert [typed(here, *operator)[0] for _ in range(2)] == [0, 0]
            posts = dingtalk.wait_for(2)
            works.wait_for("(?s)answered: .*answered: ")
        assert sorted(post.payload["msgtype"] for post in posts) == ["markdown", "text"]
        assert all("&sign=" in post.path for post in posts)
        assert "canary" not in works.output + serves.output
        status, said = typed(here, "--group", "nobody", "--text", "早")
        assert (status, "no group has this name" in said) == (1, True)
        assert typed(here, "--text", "早")[0] == 2
