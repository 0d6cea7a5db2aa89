"""Replies as a terminal can show them."""

from collections.abc import Callable, Mapping
from typing import Any

from dingda.simulator.client.choices import draw_button, draw_markdown, text_sent
from dingda.simulator.dingtalk.card import Button, Card, CardProblem
from dingda.simulator.dingtalk.record import Reply

# A terminal obeys control characters, and a reply may quote any text.
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\ufffd")
_HARMLESS = {ord("\n"), ord("\t")}
_VISIBLE = {code: mark for code, mark in _CONTROLS.items() if code not in _HARMLESS}
_MARKS = "#>* \n"
"""What makes a heading, a quotation or bold words of a line in markdown."""


def render_reply(reply: Reply, names: dict[str, str]) -> str:
    """Draw a reply that the chat shows.

    Args:
        reply: a shown one.
        names: the nicknames of userids; a user who is really notified appears as `@nickname`.
    """
    notified = {user_id: names.get(user_id, user_id) for user_id in reply.notified}
    return render_payload(reply.payload or {}, notified)


def render_payload(payload: Mapping[str, Any], notified: Mapping[str, str]) -> str:
    """Draw a message as DingTalk takes it.

    Args:
        payload: the JSON object.
        notified: the nicknames of the mentioned users, by userid.
    """
    msgtype = payload["msgtype"]
    drawn = _DRAWN[msgtype](payload[msgtype])
    for user_id, name in notified.items():
        drawn = drawn.replace(f"@{user_id}", f"@{name}")
    return visible(drawn)


def render_card(card: Card, staff_id: str) -> str:
    """Draw a card as a person sees it.

    Args:
        card: the card.
        staff_id: the person's userid.
    """
    if card.problem:
        return _PROBLEMS[card.problem]
    view = card.seen_by(staff_id)
    offered = {text_sent(button.url) for button in view.buttons}
    text = draw_markdown(view.text, offered=offered)
    parts = (_titled(view.title, text), view.picture, "\n".join(map(_button, view.buttons)))
    return visible("\n\n".join(filter(None, parts)))


def _button(button: Button) -> str:
    if not button.enabled:
        return f"[{button.text}] (off)"
    if not button.url:
        return f"[{button.text}] is pressed in the browser"
    return draw_button(button.text, button.url)


def visible(text: str) -> str:
    """Replace the characters that would move the terminal's cursor or colours."""
    return text.translate(_VISIBLE)


def _text(text: dict[str, Any]) -> str:
    return str(text["content"])


def _markdown(markdown: dict[str, Any]) -> str:
    return _titled(markdown["title"], draw_markdown(markdown["text"]))


def _link(link: dict[str, Any]) -> str:
    return f"{link['title']}\n{link['text']}\n{link['messageUrl']}"


def _action_card(card: dict[str, Any]) -> str:
    if card.get("singleTitle") and card.get("singleURL"):
        jumps = [(card["singleTitle"], card["singleURL"])]
    else:
        jumps = [(button["title"], button["actionURL"]) for button in card["btns"]]
    text = draw_markdown(card["text"], offered={text_sent(url) for _, url in jumps})
    buttons = "\n".join(draw_button(title, url) for title, url in jumps)
    return f"{_titled(card['title'], text)}\n\n{buttons}"


def _titled(title: str, text: str) -> str:
    """A text below its title, which only the list of conversations shows and many texts repeat."""
    if text.lstrip(_MARKS).startswith(title):
        return text
    return f"{title}\n\n{text}" if text else title


def _card(card: dict[str, Any]) -> str:
    buttons = "\n".join(f"[{title}]" for title, *_ in card["buttons"])
    return "\n\n".join(filter(None, (card["title"], card["text"], card["picture"], buttons)))


def _feed_card(feed: dict[str, Any]) -> str:
    return "\n".join(
        f"- {link['title']}\n  {link['messageURL']}\n  picture: {link['picURL']}"
        for link in feed["links"]
    )


def _image(image: dict[str, Any]) -> str:
    return f"picture: {image['photoURL']}"


def _file(file: dict[str, Any]) -> str:
    return f"file: {file['fileName']}"


def _recording(recording: dict[str, Any]) -> str:
    return f"duration: {recording['duration']}"


_PROBLEMS = {
    CardProblem.BLANK: "nothing: the text is longer than clients show",
    CardProblem.FOREIGN_TEMPLATE: "nothing: the template is another application's",
}
_DRAWN: dict[str, Callable[[dict[str, Any]], str]] = {
    "text": _text,
    "markdown": _markdown,
    "link": _link,
    "actionCard": _action_card,
    "card": _card,
    "feedCard": _feed_card,
    "image": _image,
    "file": _file,
    "audio": _recording,
    "video": _recording,
}
