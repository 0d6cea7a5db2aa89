"""A private message from the robot: DingTalk's templates of it, and what the chat shows.

Facts: DingTalk's pages on oToMessages/batchSend and robot-message-type.
"""

import json
from dataclasses import dataclass
from typing import Any

_TEMPLATES = {
    "sampleText": ("content",),
    "sampleMarkdown": ("title", "text"),
    "sampleActionCard": ("title", "text", "singleTitle", "singleURL"),
    **{
        f"sampleActionCard{count}": (
            *("title", "text"),
            *(f"action{what}{n}" for n in range(1, count + 1) for what in ("Title", "URL")),
        )
        for count in range(2, 6)
    },
}
"""The message templates that a bot fills, and what each needs."""


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """A message from the robot in a single chat."""

    userid: str
    key: str
    """The template, such as sampleText."""
    values: dict[str, str]

    def to_payload(self) -> dict[str, Any]:
        """The same as a reply to a sessionWebhook, which the chat can show."""
        values = self.values
        title_and_text = {name: values.get(name, "") for name in ("title", "text")}
        if self.key == "sampleText":
            return {"msgtype": "text", "text": {"content": values["content"]}}
        if self.key == "sampleMarkdown":
            return {"msgtype": "markdown", "markdown": title_and_text}
        if "singleURL" in values:
            link = {name: values[name] for name in ("singleTitle", "singleURL")}
            return {"msgtype": "actionCard", "actionCard": title_and_text | link}
        count = sum(name.startswith("actionURL") for name in values)
        buttons = [
            {"title": values[f"actionTitle{n}"], "actionURL": values[f"actionURL{n}"]}
            for n in range(1, count + 1)
        ]
        return {"msgtype": "actionCard", "actionCard": {**title_and_text, "btns": buttons}}


def values_of(fields: dict[str, Any]) -> dict[str, str] | None:
    """Read the msgParam, which is JSON in a string; None where it can't fill the template."""
    needed = _TEMPLATES.get(str(fields.get("msgKey")))
    try:
        values = json.loads(fields.get("msgParam") or "")
    except (TypeError, ValueError):
        return None
    if needed is None or not isinstance(values, dict):
        return None
    return values if all(values.get(name) for name in needed) else None
