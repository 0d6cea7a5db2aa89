"""Card actions: somebody pressed a button of a card, or submitted its form.

DingTalk calls back with type `actionCallback` ("event-callback-card"), over Stream or HTTP with the
same JSON. Older pages have `value` in the place of `content`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dingda.shared.dingtalk.fields import mapping, read_object, required, string
from dingda.shared.dingtalk.message import MAX_ID_CHARS

_MAX_ACTIONS = 20
ACTION_ID = "dingda-"
"""What the `actionId` of each button of our own cards begins with; its number follows."""
_RECEIVED = {"pressed": "true"}


@dataclass(frozen=True, slots=True)
class CardAction:
    """What somebody did on a card. Whoever sees a card can do it: check `user_id`.

    >>> @skill.card_action("approve")
    ... async def approve(action: CardAction, ctx: HookContext) -> None:
    ...     if action.user_id != "0001":
    ...         raise RefusalError("不是审批人")
    ...     print("approved:", action.params["job"])
    >>> pressed = CardAction(("approve",), user_id="0001", params={"job": "42"})
    >>> print(asyncio.run(fire(skill, pressed)))
    approved: 42
    answered
    """

    action_ids: tuple[str, ...]
    """The `actionId` of the button, as the card's template has it; `form` of a form."""
    user_id: str = ""
    """Who did it: the userid, or the unionId if the card was made with `userIdType` 2."""
    params: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the button carries, as the card's template or data has it."""
    out_track_id: str = ""
    """Our own id of the card."""
    corp_id: str = ""
    space_type: str = ""
    """Where the card was shown: `IM_GROUP`, `IM_ROBOT` (a single chat) …; "" where DingTalk does
    not say."""
    space_id: str = ""
    """Which one, such as the group's openConversationId."""

    @property
    def form(self) -> Mapping[str, Any]:
        """What was entered into the card's form, by the names of its fields; empty without one."""
        return mapping(self.params.get("form"))


def parse_card_action(data: bytes) -> CardAction:
    """Parse the body of a card's callback.

    Args:
        data: UTF-8 JSON.

    Raises:
        InvalidMessageError: if it isn't strict UTF-8 and an object of JSON, or tells neither which
            card nor who.
    """
    fields = read_object(data)
    content = mapping(fields.get("content")) or mapping(fields.get("value"))
    private = mapping(content.get("cardPrivateData"))
    return CardAction(
        action_ids=_action_ids(private.get("actionIds")),
        user_id=required(fields, "userId", MAX_ID_CHARS),
        params=mapping(private.get("params")) or mapping(content.get("params")),
        out_track_id=required(fields, "outTrackId", MAX_ID_CHARS),
        corp_id=string(fields, "corpId"),
        space_type=string(fields, "spaceType"),
        space_id=string(fields, "spaceId"),
    )


def response_to(data: bytes) -> dict[str, Any]:
    """What DingTalk hears of a press that is stored: the body of a response over HTTP.

    An empty one shows whoever pressed that it failed ("event-callback-card"). Ours says, to them
    alone, that it was received; what came of it everybody is shown later. A card of somebody else's
    template is left as it is.

    Args:
        data: the callback's JSON.
    """
    seen = _RECEIVED if ACTION_ID.encode() in data else {}
    return {
        "cardUpdateOptions": {"updateCardDataByKey": True, "updatePrivateDataByKey": True},
        "cardData": {"cardParamMap": {}},
        "userPrivateData": {"cardParamMap": seen},
    }


def _action_ids(found: object) -> tuple[str, ...]:
    ids = found if isinstance(found, list) else [found]
    named = (each for each in ids[:_MAX_ACTIONS] if isinstance(each, str))
    return tuple(each for each in named if 0 < len(each) <= MAX_ID_CHARS)
