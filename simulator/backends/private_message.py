"""What a robot sends through the OpenAPI: DingTalk's templates of it, and what the chat shows.

Facts: DingTalk's pages on oToMessages/batchSend, groupMessages/send and robot-message-type.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TEMPLATES = {
    "sampleText": ("content",),
    "sampleMarkdown": ("title", "text"),
    "sampleImageMsg": ("photoURL",),
    "sampleLink": ("text", "title", "messageUrl"),
    "sampleAudio": ("mediaId", "duration"),
    "sampleFile": ("mediaId", "fileName", "fileType"),
    "sampleVideo": ("duration", "videoMediaId", "videoType", "picMediaId"),
    "sampleActionCard": ("title", "text", "singleTitle", "singleURL"),
    **{
        f"sampleActionCard{count}": (
            *("title", "text"),
            *(f"action{what}{n}" for n in range(1, count + 1) for what in ("Title", "URL")),
        )
        for count in range(2, 6)
    },
    "sampleActionCard6": (
        *("title", "text"),
        *(f"button{what}{n}" for n in (1, 2) for what in ("Title", "Url")),
    ),
}
"""The message templates that a bot fills, and what each needs."""
_PLAIN = {
    "sampleImageMsg": "image",
    "sampleLink": "link",
    "sampleAudio": "audio",
    "sampleFile": "file",
    "sampleVideo": "video",
}
"""The templates whose values the chat shows as they are, and the msgtype for it."""
_LONGEST_BYTES = 15_000
"""Of a msgParam."""


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """A message from the robot in a single chat."""

    userid: str
    key: str
    """The template, such as sampleText."""
    values: dict[str, str]
    robot_code: str = field(default="", compare=False)
    """Of the robot that sends it."""

    def to_payload(self) -> dict[str, Any]:
        """The same as a reply to a sessionWebhook, which the chat can show."""
        return payload_of(self.key, self.values)


def payload_of(key: str, values: Mapping[str, str]) -> dict[str, Any]:
    """What a template shows when it is filled, as the reply that would show the same.

    Pictures and files, which no reply can be, have a msgtype of their own: `image`, `file` and so
    on, with the template's values.
    """
    title_and_text = {name: values.get(name, "") for name in ("title", "text")}
    if kind := _PLAIN.get(key):
        return {"msgtype": kind, kind: dict(values)}
    if key == "sampleText":
        return {"msgtype": "text", "text": {"content": values["content"]}}
    if key == "sampleMarkdown":
        return {"msgtype": "markdown", "markdown": title_and_text}
    if "singleURL" in values:
        link = {name: values[name] for name in ("singleTitle", "singleURL")}
        return {"msgtype": "actionCard", "actionCard": title_and_text | link}
    title, url = ("buttonTitle", "buttonUrl") if key.endswith("6") else ("actionTitle", "actionURL")
    count = sum(name.startswith(url) for name in values)
    buttons = [
        {"title": values[f"{title}{n}"], "actionURL": values[f"{url}{n}"]}
        for n in range(1, count + 1)
    ]
    beside = {"btnOrientation": "1"} if key.endswith("6") else {}
    return {"msgtype": "actionCard", "actionCard": {**title_and_text, "btns": buttons, **beside}}


def values_of(fields: dict[str, Any]) -> dict[str, str] | None:
    """Read the msgParam, which is JSON in a string; None where it can't fill the template."""
    needed = _TEMPLATES.get(str(fields.get("msgKey")))
    text = fields.get("msgParam")
    if not isinstance(text, str) or len(text.encode()) > _LONGEST_BYTES:
        return None
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if needed is None or not isinstance(values, dict):
        return None
    return values if all(values.get(name) for name in needed) else None
