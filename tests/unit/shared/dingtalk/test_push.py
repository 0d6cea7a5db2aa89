"""A push as the ledger keeps it, and the groups that have names."""

import pytest

from dingda.shared.dingtalk.groups import CustomRobotAddress, read_groups
from dingda.shared.dingtalk.media import FileMessage, MediaId
from dingda.shared.dingtalk.notification import is_notification, parse_notification
from dingda.shared.dingtalk.push import Group, Push, User, read_target
from dingda.shared.dingtalk.reply import (
    ActionCard,
    At,
    Button,
    FeedCard,
    FeedLink,
    Markdown,
    Reply,
    Text,
)
from dingda.shared.errors import InvalidReplyError

ORIGINS = ("https://oapi.dingtalk.com:443",)
WEBHOOK = "https://oapi.dingtalk.com/robot/send?access_token=t"
REPLIES = [
    Text("好"),
    Text("@0001 好", at=At(("0001",))),
    Markdown("标题", "**粗**"),
    ActionCard("标题", "正文", link=Button("打开", "https://a.example/")),
    ActionCard(
        "标题",
        "正文",
        buttons=(Button("是", "https://a.example/y"), Button("否", "https://a.example/n")),
        horizontal=True,
    ),
    FileMessage(MediaId("@lALOpVk7"), "周报.xlsx"),
    FeedCard((FeedLink("一", "https://a.example/", "https://a.example/1.png"),)),
]


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: type(reply).__name__)
@pytest.mark.parametrize("target", [Group("ops"), User("0001")])
def test_a_push_is_read_as_it_was_written(reply: Reply, target: Group | User) -> None:
    push = Push(target, "早报 2026-11-28", reply)
    payload = push.to_payload("dingrobot")
    assert is_notification(payload)
    found = parse_notification(payload)
    assert (found.robot_code, found.subject) == ("dingrobot", push)


def test_its_identity_is_the_robots_and_the_keys() -> None:
    one = Push(Group("ops"), "k", Text("一")).envelope("r", now_ms=1)
    assert one.id == Push(User("0001"), "k", Text("二")).envelope("r", now_ms=2).id
    assert one.id != Push(Group("ops"), "other", Text("一")).envelope("r", now_ms=1).id
    assert one.id != Push(Group("ops"), "k", Text("一")).envelope("s", now_ms=1).id


@pytest.mark.parametrize("key", ["", " k", "k\n", "k" * 1000])
def test_a_key_is_short_and_printable(key: str) -> None:
    with pytest.raises(InvalidReplyError, match="key"):
        Push(Group("ops"), key, Text("好"))


def test_a_push_that_no_message_can_hold_is_refused() -> None:
    with pytest.raises(InvalidReplyError, match="at most"):
        Push(Group("ops"), "k", Text("长" * 100_000)).to_payload("r")


@pytest.mark.parametrize("fields", [{}, {"group": 1}, {"group": "a", "user": "b"}, {"all": "x"}])
def test_a_target_is_one_group_or_one_user(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidReplyError, match="to"):
        read_target(fields)


def test_groups_have_conversations_or_custom_robots() -> None:
    groups = read_groups(f'{{"ops": "cidA==", "all": "{WEBHOOK}#SECx"}}', origins=ORIGINS)
    assert groups.find("ops") == "cidA=="
    assert groups.find("all") == CustomRobotAddress(WEBHOOK, "SECx")
    assert groups.find("cidB==") == "cidB=="
    assert groups.find("nobody") is None


@pytest.mark.parametrize(
    "text",
    [
        "ops=cidA",
        "[]",
        '{"ops": 1}',
        '{"": "cidA"}',
        '{"ops": "https://evil.example/robot/send?access_token=t"}',
        '{"ops": "https://oapi.dingtalk.com/"}',
        '{"https://evil.example/robot/send?access_token=t": "ops"}',
    ],
)
def test_an_address_that_is_neither_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"write|object|each") as error:
        read_groups(text, origins=ORIGINS)
    assert "evil" not in str(error.value)


def test_neither_shows_a_webhook_in_its_text() -> None:
    groups = read_groups(f'{{"all": "{WEBHOOK}#SECx"}}', origins=ORIGINS)
    assert "access_token" not in f"{groups} {groups!r}"
