from typing import Any
from urllib.parse import quote

import pytest

from dingda.shared.dingtalk.markdown import link
from dingda.shared.dingtalk.reply import ActionCard, At, Button, FeedCard, FeedLink, Markdown, Text
from dingda.simulator.client.rendering import render_card, render_reply
from dingda.simulator.dingtalk.card import Card, CardProblem, CardState, CardView
from dingda.simulator.dingtalk.record import Reply


def shown(payload: dict[str, Any], *, notified: tuple[str, ...] = ()) -> str:
    return render_reply(Reply(payload, 0, "ok", notified, 40), {"user1": "张三"})


def test_a_text_is_shown_as_it_is() -> None:
    assert shown(Text("你好\n再见").to_payload()) == "你好\n再见"


def test_markdown_is_its_title_and_its_source() -> None:
    assert shown(Markdown("天气", "#### 杭州\n\n> 9℃").to_payload()) == "天气\n\n#### 杭州\n\n> 9℃"


def test_a_card_shows_its_link() -> None:
    card = ActionCard("标题", "**正文**", link=Button("阅读全文", "https://example.com/"))
    assert shown(card.to_payload()) == "标题\n\n**正文**\n\n[阅读全文] https://example.com/"


def test_a_card_shows_its_buttons() -> None:
    buttons = (Button("好", "https://example.com/y"), Button("不好", "https://example.com/n"))
    card = ActionCard("标题", "正文", buttons=buttons)
    assert shown(card.to_payload()).endswith(
        "\n[好] https://example.com/y\n[不好] https://example.com/n"
    )


def send(text: str) -> str:
    """DingTalk's link that sends a text to the bot."""
    return f"dtmd://dingtalkclient/sendMessage?content={quote(text)}"


def test_choices_are_shown_once_as_what_to_type() -> None:
    listed = "\n\n".join(
        ("查哪里？", link("天气 北京", send("天气 北京")), link("沪", send("上海")))
    )
    buttons = (Button("天气 北京", send("天气 北京")), Button("沪", send("上海")))
    card = ActionCard("查哪里？", listed, buttons=buttons)
    assert shown(card.to_payload()) == "查哪里？\n\ntype: 天气 北京\n[沪] type: 上海"


def test_choices_without_buttons_are_what_to_type_too() -> None:
    listed = f"查哪里？\n\n{link('北京', send('天气 北京'))}\n\n或{link('帮助', send('帮助'))}。"
    assert shown(Markdown("哪里", listed).to_payload()) == (
        "哪里\n\n查哪里？\n\ntype: 天气 北京\n\n或帮助。"
    )


def test_a_title_that_the_text_begins_with_is_not_repeated() -> None:
    assert shown(Markdown("天气", "#### 天气\n\n9℃").to_payload()) == "#### 天气\n\n9℃"


def test_a_feed_shows_its_links_and_pictures() -> None:
    feed = FeedCard((FeedLink("标题", "https://example.com/", "https://example.com/p.png"),))
    assert shown(feed.to_payload()) == (
        "- 标题\n  https://example.com/\n  picture: https://example.com/p.png"
    )


def test_a_link_shows_where_it_leads() -> None:
    payload = {"title": "标题", "text": "正文", "messageUrl": "https://example.com/"}
    assert shown({"msgtype": "link", "link": payload}) == "标题\n正文\nhttps://example.com/"


@pytest.mark.parametrize(
    ("payload", "drawn"),
    [
        ({"msgtype": "image", "image": {"photoURL": "@lAL-1"}}, "picture: @lAL-1"),
        ({"msgtype": "file", "file": {"mediaId": "@1", "fileName": "a.pdf"}}, "file: a.pdf"),
        ({"msgtype": "audio", "audio": {"mediaId": "@1", "duration": "3000"}}, "duration: 3000"),
    ],
)
def test_what_only_pushes_can_be_is_named(payload: dict[str, Any], drawn: str) -> None:
    assert shown(payload) == drawn


@pytest.mark.parametrize("problem", CardProblem)
def test_a_card_that_clients_cannot_draw_says_why(problem: CardProblem) -> None:
    view = CardView("题", "文")
    card = Card(
        *("card1", "a.schema", 0, 0, CardState.PLAIN),
        *({}, {}, {}, {"": view}),
        problem=problem,
    )
    assert render_card(card, "user1").startswith("nothing: the te")


def test_a_cards_title_that_its_text_begins_with_is_not_repeated() -> None:
    views = {"": CardView("报销", "### 报销\n\n300 元")}
    card = Card(*("card1", "a.schema", 0, 0, CardState.PLAIN), *({}, {}, {}, views))
    assert render_card(card, "user1") == "### 报销\n\n300 元"


def test_a_notified_user_appears_by_name() -> None:
    payload = Text("你好", At(("user1",))).to_payload()
    assert shown(payload, notified=("user1",)) == "@张三 你好"


def test_a_mention_that_notifies_nobody_stays_an_id() -> None:
    assert shown(Text("@user1 你好").to_payload()) == "@user1 你好"


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert (
        shown(Text("\x1b[31m红\x07\n👨‍👩‍👧\t好\r").to_payload())
        == "\ufffd[31m红\ufffd\n👨‍👩‍👧\t好\ufffd"
    )
