"""The templates of cards that the simulated application has published, and how clients draw them.

DingTalk draws a template as its author laid it out. Here a variable's name says where it is drawn:
these are the names that templates of ours and public ones use.
"""

from dataclasses import dataclass

ACTION_TEMPLATE = "dingda-action.schema"
"""A card with buttons."""
ANSWER_TEMPLATE = "dingda-answer.schema"
"""An AI card, whose variable `content` is streamed."""
FOREIGN_TEMPLATE = "foreign.schema"
"""The template of another application."""
_STREAMED = {
    ANSWER_TEMPLATE: "content",
    "02fcf2f4-5e02-4a85-b672-46d1f715543e.schema": "msgContent",
    "382e4302-551d-4880-bf29-a30acfab2e71.schema": "msgContent",
    "8aebdfb9-28f4-4a98-98f5-396c3dde41a0.schema": "content",
}
"""The AI cards, ours and DingTalk's own → the variable that can be streamed."""
_ENDING = ".schema"

TITLE = ("title", "msgTitle")
TEXT = ("content", "msgContent", "text", "markdown")
RESULT = ("result",)
"""What is drawn below the text."""
PICTURE = ("picture", "image", "photo")
BUTTONS = ("buttons", "btns", "msgButtons", "actions")
STATUS, OPEN = "status", "open"
"""While this variable says something else, a template of ours shows no buttons."""
HIDDEN = frozenset(
    {"flowStatus", STATUS, "pressed", "config", "sys_full_json_obj", "staticMsgContent"}
)
"""Variables that steer a template and are not drawn."""


@dataclass(frozen=True, slots=True)
class Template:
    """What the server knows of a template."""

    id: str
    is_ai: bool = False
    """Whether it is of the scene "AI 卡片": it has a state, and its text can be streamed."""
    streamed: str = ""
    """The variable that can be streamed; "" for any."""
    is_foreign: bool = False


class Templates:
    """The application's templates: every id that ends as DingTalk's do is one.

    Args:
        answers: the ids, besides the public ones and ours, of AI cards.
    """

    def __init__(self, answers: frozenset[str] = frozenset()) -> None:
        self._answers = answers

    def find(self, template_id: str) -> Template | None:
        """The template of an id; None if there is none."""
        if not template_id.endswith(_ENDING):
            return None
        return Template(
            template_id,
            is_ai=template_id in self._answers or template_id in _STREAMED,
            streamed=_STREAMED.get(template_id, ""),
            is_foreign=template_id == FOREIGN_TEMPLATE,
        )
