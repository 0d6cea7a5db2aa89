"""Permissions: in which groups a robot answers, which senders may use a skill, in which chats."""

from collections.abc import Collection

from dingda.shared.dingtalk.card_action import CardAction
from dingda.shared.dingtalk.message import Message
from dingda.shared.texts import (
    ASK_PRIVATELY,
    GROUP_ONLY,
    NOT_ALLOWED,
    NOT_IN_THIS_GROUP,
    SINGLE_ONLY,
)
from dingda.worker.errors import RefusalError
from dingda.worker.sdk.context import Context
from dingda.worker.sdk.skill import Allow, Skill

_SPACES = {"group": "IM_GROUP", "single": "IM_ROBOT"}
"""DingTalk: where a card is shown."""


def refusal_in_group(message: Message, conversations: Collection[str]) -> str:
    """Why a robot answers nothing in this group; "" if it does, and in every single chat.

    Args:
        message: to the robot.
        conversations: the groups that it answers in, by their ids; empty: all.
    """
    anywhere = not conversations or not message.is_group
    return "" if anywhere or message.conversation_id in conversations else NOT_IN_THIS_GROUP


def refusal_of(skill: Skill, message: Message, *, moved: bool = False) -> str:
    """Why the sender may not use a skill, or not in this chat; "" if they may.

    Args:
        skill: the skill.
        message: the sender's.
        moved: whether only the sender counts: as of `check_allowed`.
    """
    allow, is_group = skill.allow, message.is_group
    if moved:
        allow = Allow(staff_ids=allow.staff_ids)
    if allow.chats == "group" and not is_group:
        return GROUP_ONLY.format(skill=skill.title)
    if allow.chats == "single" and is_group:
        return SINGLE_ONLY.format(skill=skill.title)
    known = not allow.staff_ids or message.sender_staff_id in allow.staff_ids
    here = not allow.conversation_ids or message.conversation_id in allow.conversation_ids
    return "" if known and here else NOT_ALLOWED.format(skill=skill.title)


def check_press_allowed(skill: Skill, action: CardAction) -> None:
    """Check that whoever did something on a card may use the skill, and where the card is shown.

    What DingTalk does not say is not allowed where it counts: cards can be forwarded.

    Raises:
        RefusalError: if not.
    """
    allow = skill.allow
    known = not allow.staff_ids or action.user_id in allow.staff_ids
    here = not allow.conversation_ids or action.space_id in allow.conversation_ids
    chat = allow.chats == "any" or action.space_type == _SPACES[allow.chats]
    if not (known and here and chat):
        raise RefusalError(NOT_ALLOWED.format(skill=skill.title))


def check_allowed(skill: Skill, ctx: Context, *, moved: bool = False) -> bool:
    """Check that the sender may use the skill here, and return whether the answer must be private.

    Args:
        skill: the skill.
        ctx: of the message.
        moved: whether it goes on in the single chat with what was allowed in a group.

    Raises:
        RefusalError: if not, or if the answer can't be sent privately.
    """
    if refusal := refusal_of(skill, ctx.message, moved=moved):
        raise RefusalError(refusal)
    private = skill.private and ctx.message.is_group
    if private and not (ctx.staff_id and ctx.services.dingtalk):
        raise RefusalError(ASK_PRIVATELY)
    return private
