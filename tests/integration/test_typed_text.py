"""What may be typed at a real worker: none of it keeps anybody else waiting."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.builders import a_callback
from tests.support.processes import (
    SessionWebhook,
    Valkey,
    gateway,
    signed,
    valkey,
    wait_until,
    worker,
)

SKILLS = "demo", "weather", "coupons", "performance"
LONGEST_CHARS = 60_000
TEXTS = {
    "forty @ and a word": "x " + "@" * 40 + " x",
    "forty @ between blanks": "x" + " @" * 40 + " x",
    "26 mail addresses and a word": ";".join(f"user{n}@example.com" for n in range(26)) + " 收到",
    "mentions without blanks, then a question": "@用户1" * 30 + " 明天天气",
    "questions about a performance": "绩效 x" + "出来了吗" * 40 + "。x",
    "blanks between two letters": "a" + " " * LONGEST_CHARS + "b",
    "mentions only": "@" * LONGEST_CHARS,
    "brackets": "优惠券 " + "「【" * 200,
    "digits": "优惠券 " + "1" * 400,
    "marks upon a letter": "天气 e" + "\u0315\u0300\u0327" * 150,
    "letters that grow": "天气 " + "\ufdfa" * 490,
    "a long paste": "天气 " + "北京市朝阳区的天气怎么样，" * 1_500,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path) as server:
        yield server


def test_help_comes_at_once_while_others_type_whatever_they_like(
    server: Valkey, tmp_path: Path
) -> None:
    settings = {
        "DINGDA_SKILLS": ",".join(f"dingda.worker.skills.{skill}" for skill in SKILLS),
        "DINGDA_UNMATCHED": "help",
        "DINGDA_PERFORMANCE_URL": f"sqlite:///{tmp_path}/none.db",
        "DINGDA_OPEN_METEO_URL": "http://127.0.0.1:9",
        "DINGDA_OPEN_METEO_GEOCODING_URL": "http://127.0.0.1:9",
    }
    with (
        SessionWebhook() as webhook,
        gateway(server.url) as (_, address),
        worker(server.url, webhook.origin, **settings) as answers,
    ):

        def say(text: str, session: str, **fields: str) -> None:
            body = a_callback(text, msgId=session, sessionWebhook=webhook.url(session), **fields)
            ack = httpx.post(address, content=body, headers=signed(), timeout=10)
            assert ack.json() == {"msgtype": "empty"}

        def answered(session: str) -> bool:
            return any(session in post.path for post in webhook.posts)

        for number, text in enumerate(TEXTS.values()):
            say(text, f"odd{number}x", conversationType="1")
        say("帮助", "somebodyelse", senderStaffId="0002")
        wait_until(lambda: answered("somebodyelse"))
        wait_until(lambda: all(answered(f"odd{number}x") for number in range(len(TEXTS))))
        assert "Traceback" not in answers.output
        assert answers.stop() == 0
