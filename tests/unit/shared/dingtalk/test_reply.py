import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dingda.shared.dingtalk.reply import (
    EMPTY,
    ActionCard,
    At,
    Button,
    FeedCard,
    FeedLink,
    Markdown,
    Reply,
    Text,
    to_body,
)
from dingda.shared.errors import InvalidReplyError

PAGE = "https://example.com/"
PICTURE = "https://example.com/1.png"
HALF_A_PAIR = "\ud800"


def a_card(**fields: Any) -> ActionCard:
    defaults: dict[str, Any] = {"title": "t", "text": "md", "link": Button("查看", PAGE)}
    return ActionCard(**defaults | fields)


def buttons(count: int) -> tuple[Button, ...]:
    return tuple(Button(f"第{number}个", f"{PAGE}{number}") for number in range(count))


def a_feed_link(**fields: str) -> FeedLink:
    return FeedLink(**{"title": "t1", "url": PAGE, "picture_url": PICTURE} | fields)


def field_at_fault(build: Any, *args: Any, **fields: Any) -> str:
    with pytest.raises(InvalidReplyError) as refusal:
        build(*args, **fields)
    assert str(refusal.value).startswith(f"{refusal.value.field}: ")
    return refusal.value.field


def test_a_text_is_sent_as_dingtalk_takes_it() -> None:
    assert Text("你好").to_payload() == {"msgtype": "text", "text": {"content": "你好"}}


def test_a_text_that_mentions_somebody_is_sent_as_dingtalk_takes_it() -> None:
    assert Text("你好", at=At(("0001",))).to_payload() == {
        "msgtype": "text",
        "text": {"content": "@0001 你好"},
        "at": {"atUserIds": ["0001"], "isAtAll": False},
    }


def test_a_markdown_is_sent_as_dingtalk_takes_it() -> None:
    assert Markdown("天气", "#### 杭州  \n  > 9℃").to_payload() == {
        "msgtype": "markdown",
        "markdown": {"title": "天气", "text": "#### 杭州  \n  > 9℃"},
    }


def test_a_markdown_that_mentions_somebody_is_sent_as_dingtalk_takes_it() -> None:
    assert Markdown("天气", "#### 杭州\n", at=At(("0001", "0002"))).to_payload() == {
        "msgtype": "markdown",
        "markdown": {"title": "天气", "text": "#### 杭州\n\n@0001 @0002"},
        "at": {"atUserIds": ["0001", "0002"], "isAtAll": False},
    }


def test_a_card_with_one_link_is_sent_as_dingtalk_takes_it() -> None:
    assert ActionCard("t", "md", link=Button("查看", PAGE)).to_payload() == {
        "msgtype": "actionCard",
        "actionCard": {"title": "t", "text": "md", "singleTitle": "查看", "singleURL": PAGE},
    }


def test_a_card_with_buttons_is_sent_as_dingtalk_takes_it() -> None:
    card = ActionCard("t", "md", buttons=(Button("A", f"{PAGE}a"), Button("B", f"{PAGE}b")))
    assert card.to_payload() == {
        "msgtype": "actionCard",
        "actionCard": {
            "title": "t",
            "text": "md",
            "hideAvatar": "0",
            "btnOrientation": "0",
            "btns": [
                {"title": "A", "actionURL": f"{PAGE}a"},
                {"title": "B", "actionURL": f"{PAGE}b"},
            ],
        },
    }


def test_a_cards_flags_are_the_strings_that_dingtalk_takes() -> None:
    card = ActionCard("t", "md", buttons=buttons(2), horizontal=True, hide_avatar=True)
    shown = card.to_payload()["actionCard"]
    assert (shown["btnOrientation"], shown["hideAvatar"]) == ("1", "1")


def test_a_feed_is_sent_as_dingtalk_takes_it() -> None:
    assert FeedCard((a_feed_link(), a_feed_link(title="t2"))).to_payload() == {
        "msgtype": "feedCard",
        "feedCard": {
            "links": [
                {"title": "t1", "messageURL": PAGE, "picURL": PICTURE},
                {"title": "t2", "messageURL": PAGE, "picURL": PICTURE},
            ]
        },
    }


def test_the_answer_that_shows_nothing_is_dingtalks_own() -> None:
    assert EMPTY == {"msgtype": "empty"}


def test_a_body_is_compact_utf_8_without_escapes() -> None:
    expected = '{"msgtype":"text","text":{"content":"天气 😀"}}'
    assert to_body(Text("天气 😀")) == expected.encode()


@pytest.mark.parametrize("text", ["@0001 你好", "你好 @0001", "你好@0001！"])
def test_a_mention_that_is_in_the_text_already_is_not_doubled(text: str) -> None:
    at = At(("0001",))
    assert Text(text, at=at).to_payload()["text"]["content"] == text
    assert Markdown("t", text, at=at).to_payload()["markdown"]["text"] == text


def test_only_the_missing_mentions_are_added() -> None:
    payload = Text("@0002 看", at=At(("0001", "0002", "0003"))).to_payload()
    assert payload["text"]["content"] == "@0001 @0003 @0002 看"
    assert payload["at"]["atUserIds"] == ["0001", "0002", "0003"]


@pytest.mark.parametrize("text", ["@00012 你好", "@0001x 你好", "@0001-x 你好"])
def test_the_mention_of_a_longer_id_is_not_taken_for_that_of_a_shorter(text: str) -> None:
    content = Text(text, at=At(("0001",))).to_payload()["text"]["content"]
    assert content == f"@0001 {text}"


def test_everybody_can_be_mentioned() -> None:
    payload = Text("开会", at=At(all=True)).to_payload()
    assert payload["at"] == {"atUserIds": [], "isAtAll": True}
    assert payload["text"]["content"] == "开会"


def test_at_most_fifty_people_are_mentioned() -> None:
    ids = tuple(f"{number:04}" for number in range(51))
    assert At(ids[:50]).user_ids == ids[:50]
    assert field_at_fault(At, ids) == "at.atUserIds"


@pytest.mark.parametrize("user_id", ["", " ", "00 01", "00\n01", "0001\t", "\0", HALF_A_PAIR])
def test_a_mentioned_userid_is_printable_and_without_blanks(user_id: str) -> None:
    assert field_at_fault(At, ("0001", user_id)) == "at.atUserIds"


@pytest.mark.parametrize("empty", ["", " ", "\n\t", "\u3000", HALF_A_PAIR, f"a{HALF_A_PAIR}b"])
@pytest.mark.parametrize(
    ("build", "field"),
    [
        pytest.param(Text, "text.content", id="text"),
        pytest.param(lambda it: Markdown(it, "md"), "markdown.title", id="markdown title"),
        pytest.param(lambda it: Markdown("t", it), "markdown.text", id="markdown text"),
        pytest.param(lambda it: a_card(title=it), "actionCard.title", id="card title"),
        pytest.param(lambda it: a_card(text=it), "actionCard.text", id="card text"),
        pytest.param(
            lambda it: a_card(link=Button(it, PAGE)), "actionCard.singleTitle", id="link title"
        ),
        pytest.param(
            lambda it: a_card(link=None, buttons=(*buttons(1), Button(it, PAGE))),
            "actionCard.btns[1].title",
            id="button title",
        ),
        pytest.param(
            lambda it: FeedCard((a_feed_link(), a_feed_link(title=it))),
            "feedCard.links[1].title",
            id="feed title",
        ),
    ],
)
def test_what_is_shown_is_neither_empty_nor_half_a_surrogate_pair(
    build: Any, field: str, empty: str
) -> None:
    assert field_at_fault(build, empty) == field


@pytest.mark.parametrize(
    ("build", "field", "limit"),
    [
        pytest.param(lambda it: Markdown(it, "md"), "markdown.title", 128, id="markdown"),
        pytest.param(lambda it: a_card(title=it), "actionCard.title", 128, id="card"),
        pytest.param(
            lambda it: a_card(link=Button(it, PAGE)), "actionCard.singleTitle", 64, id="link"
        ),
        pytest.param(
            lambda it: a_card(link=None, buttons=(*buttons(1), Button(it, PAGE))),
            "actionCard.btns[1].title",
            64,
            id="button",
        ),
        pytest.param(
            lambda it: FeedCard((a_feed_link(title=it),)), "feedCard.links[0].title", 128, id="feed"
        ),
    ],
)
def test_a_title_has_a_greatest_length(build: Any, field: str, limit: int) -> None:
    assert to_body(build("题" * limit))
    assert field_at_fault(build, "题" * (limit + 1)) == field


@pytest.mark.parametrize("count", [2, 10])
def test_a_card_may_have_two_to_ten_buttons(count: int) -> None:
    shown = a_card(link=None, buttons=buttons(count)).to_payload()["actionCard"]
    assert len(shown["btns"]) == count


@pytest.mark.parametrize("count", [0, 1, 11])
def test_a_card_may_not_have_fewer_or_more_buttons(count: int) -> None:
    assert field_at_fault(a_card, link=None, buttons=buttons(count)) == "actionCard.btns"


def test_a_card_has_one_link_or_buttons_but_not_both() -> None:
    assert field_at_fault(a_card, buttons=buttons(2)) == "actionCard.btns"


@pytest.mark.parametrize("count", [1, 9])
def test_a_feed_may_have_one_to_nine_links(count: int) -> None:
    feed = FeedCard((a_feed_link(),) * count)
    assert len(feed.to_payload()["feedCard"]["links"]) == count


@pytest.mark.parametrize("count", [0, 10])
def test_a_feed_may_not_have_fewer_or_more_links(count: int) -> None:
    assert field_at_fault(FeedCard, (a_feed_link(),) * count) == "feedCard.links"


LINKS = [
    pytest.param(
        lambda url: a_card(link=Button("查看", url)), "actionCard.singleURL", id="card's link"
    ),
    pytest.param(
        lambda url: a_card(link=None, buttons=(Button("A", url), Button("B", PAGE))),
        "actionCard.btns[0].actionURL",
        id="button",
    ),
    pytest.param(
        lambda url: FeedCard((a_feed_link(url=url),)),
        "feedCard.links[0].messageURL",
        id="feed",
    ),
]
PICTURES = pytest.param(
    lambda url: FeedCard((a_feed_link(picture_url=url),)), "feedCard.links[0].picURL", id="picture"
)


@pytest.mark.parametrize(("build", "field"), [*LINKS, PICTURES])
@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "http://",
        "example.com",
        "//example.com/",
        "/page",
        "ftp://example.com/",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        " https://example.com/",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://example.com/\t",
        "https://example.com/\u3000",
        "https://example.com/\u202e",
        "https://example.com/" + HALF_A_PAIR,
        "dingtalk://evil/",
        "dtmd://evil/",
        "dingtalk://dingtalkclient/",
    ],
)
def test_a_link_that_leads_nowhere_safe_is_refused(build: Any, field: str, url: str) -> None:
    assert field_at_fault(build, url) == field


@pytest.mark.parametrize(("build", "field"), [*LINKS, PICTURES])
def test_a_link_has_a_greatest_length(build: Any, field: str) -> None:
    longest = PAGE + "a" * (2048 - len(PAGE))
    assert to_body(build(longest))
    assert field_at_fault(build, longest + "a") == field


@pytest.mark.parametrize(("build", "_field"), [*LINKS, PICTURES])
@pytest.mark.parametrize(
    "url", ["http://a", "HTTPS://EXAMPLE.COM/", "https://example.com/天气?a=1#b"]
)
def test_a_link_may_lead_to_a_web_page(build: Any, _field: str, url: str) -> None:
    assert url in to_body(build(url)).decode()


@pytest.mark.parametrize(("build", "_field"), LINKS)
@pytest.mark.parametrize(
    "url",
    [
        "dingtalk://dingtalkclient/page/link?url=https%3A%2F%2Fexample.com&pc_slide=true",
        "dtmd://dingtalkclient/sendMessage?content=%E5%A4%A9%E6%B0%94",
    ],
)
def test_a_link_may_lead_into_dingtalk(build: Any, _field: str, url: str) -> None:
    assert url in to_body(build(url)).decode()


def test_a_picture_is_not_inside_dingtalk() -> None:
    link = a_feed_link(picture_url="dtmd://dingtalkclient/sendMessage?content=a")
    assert field_at_fault(FeedCard, (link,)) == "feedCard.links[0].picURL"


def room_for(build: Any) -> int:
    """How many bytes of text still fit into a reply."""
    return 20_000 - len(to_body(build("a"))) + 1


@pytest.mark.parametrize(
    ("build", "field"),
    [
        pytest.param(lambda it: a_card(text=it), "actionCard.text", id="card"),
        pytest.param(
            lambda it: a_card(text=it, link=None, buttons=buttons(10)),
            "actionCard.text",
            id="card with buttons",
        ),
    ],
)
def test_a_cards_body_has_at_most_20000_bytes(build: Any, field: str) -> None:
    room = room_for(build)
    assert len(to_body(build("a" * room))) == 20_000
    assert field_at_fault(build, "a" * (room + 1)) == field


@pytest.mark.parametrize(("character", "size"), [("天", 3), ("😀", 4), ('"', 2), ("\0", 6)])
def test_a_bodys_size_is_counted_in_bytes_as_sent(character: str, size: int) -> None:
    def build(text: str) -> ActionCard:
        return a_card(text=text)

    room = room_for(build)
    assert len(to_body(build("a" + character * ((room - 1) // size)))) <= 20_000
    assert field_at_fault(build, "a" * (room - size + 1) + character) == "actionCard.text"


@pytest.mark.parametrize("build", [Text, lambda it: Markdown("t", it)])
def test_a_text_may_be_of_any_length_for_it_is_sent_in_parts(build: Any) -> None:
    assert len(to_body(build("天" * 100_000))) > 300_000


def test_those_who_are_mentioned_leave_room_for_words() -> None:
    assert At(("天" * 64,) * 20)
    assert field_at_fault(At, ("天" * 64,) * 21) == "at.atUserIds"


def test_a_feeds_body_has_at_most_20000_bytes() -> None:
    def build(url: str) -> FeedCard:
        longest = PAGE + "天" * (2048 - len(PAGE))
        return FeedCard((*(a_feed_link(url=longest),) * 3, a_feed_link(picture_url=url)))

    room = 20_000 - len(to_body(build(PAGE)))
    assert len(to_body(build(PAGE + "a" * room))) == 20_000
    assert field_at_fault(build, PAGE + "a" * (room + 1)) == "feedCard.links"


@pytest.mark.parametrize("url", ["private", "https://example.com/private words"])
def test_a_refusal_says_nothing_of_what_was_to_be_shown(url: str) -> None:
    with pytest.raises(InvalidReplyError) as refusal:
        a_card(text="private", link=Button("private", url))
    assert "private" not in str(refusal.value)


ANY_TEXT = st.text(st.characters(exclude_categories=()))
# A reply has many parts, so each must mostly be right for the whole to be right at times.
WORDS = st.integers(0, 20).flatmap(
    lambda dice: st.text('天a"\0 ', min_size=1) if dice else ANY_TEXT
)
LONG_TEXT = st.builds(lambda text, times: text * times, WORDS, st.integers(1, 8_000))
PATHS = st.integers(0, 20).flatmap(
    lambda dice: st.text('天a/?"%', min_size=1) if dice else ANY_TEXT
)
URLS = st.builds("{}{}".format, st.sampled_from(["https://", "HTTP://"]), PATHS)
IDS = st.lists(st.text("01ab-天", min_size=1), max_size=51) | st.lists(ANY_TEXT, max_size=3)
BUTTONS = st.builds(Button, WORDS, URLS)


@st.composite
def replies(draw: st.DrawFn) -> Reply | None:
    """A reply of any kind from anything at all, or None where it was refused."""
    kind = draw(st.sampled_from([Text, Markdown, ActionCard, FeedCard]))
    title, text, flag = draw(WORDS), draw(LONG_TEXT), draw(st.booleans())
    try:
        if kind is Text:
            return Text(text, at=At(tuple(draw(IDS)), all=flag))
        if kind is Markdown:
            return Markdown(title, text, at=At(tuple(draw(IDS)), all=flag))
        if kind is FeedCard:
            rows = st.builds(FeedLink, WORDS, URLS, URLS)
            return FeedCard(tuple(draw(st.lists(rows, min_size=1, max_size=10))))
        link = draw(st.none() | BUTTONS)
        choice = () if link else tuple(draw(st.lists(BUTTONS, min_size=2, max_size=11)))
        return ActionCard(title, text, link=link, buttons=choice, horizontal=flag)
    except InvalidReplyError:
        return None


@settings(max_examples=500)
@given(replies())
def test_whatever_is_built_is_valid_json_that_dingtalk_has_room_for(reply: Reply | None) -> None:
    # Texts are sent in parts (`tests/unit/worker/answering/test_splitting.py`); the rest is checked
    # here.
    if reply is not None:
        body = to_body(reply)
        assert len(body) <= 20_000 or isinstance(reply, Text | Markdown)
        assert json.loads(body.decode()) == reply.to_payload()
