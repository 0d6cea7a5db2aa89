"""Calling the function behind a card's button, whichever way it was pressed."""

from concurrent.futures import Executor
from dataclasses import fields

from dingda.shared.dingtalk.message import hash_of
from dingda.shared.errors import InvalidReplyError
from dingda.shared.runtime.logs import class_name
from dingda.worker.answering.calling import call_function, check_settings
from dingda.worker.answering.cards import Press, RobotCards
from dingda.worker.answering.safe_reply import safe_note
from dingda.worker.sdk.actions import ActionContext
from dingda.worker.sdk.context import BaseContext


async def act(cards: RobotCards, press: Press, base: BaseContext, threads: Executor) -> str:
    """Let a press decide, and call the function of the skill.

    Args:
        cards: the robot's.
        press: what somebody pressed; nothing of it has been checked.
        base: what the function may use besides.
        threads: runs it if it blocks.

    Returns:
        What the card is to say of it, besides the name of the person who decided.

    Raises:
        RefusalError: if the press does not count, or the function refuses.
        BaseException: whatever the function raises.
    """
    allowed = await cards.check(press)
    name = await cards.decide(allowed, press)
    skill, handler = allowed.found
    check_settings(handler.settings, skill, base.services)
    given = {each.name: getattr(base, each.name) for each in fields(BaseContext) if each.init}
    # A card decides once, so the card names what its function does.
    given["idempotency_key"] = hash_of("card action", press.out_track_id)
    ctx = ActionContext(**given, staff_id=press.by, name=name, out_track_id=press.out_track_id)
    arguments = handler.bind(allowed.action, ctx, base.services.settings)
    returned = await call_function(handler.function, arguments, threads)
    if returned is not None and not issubclass(type(returned), str):
        why = f"an action returns a string or None, not {class_name(returned)}"
        raise InvalidReplyError("action", why)
    return safe_note(returned) if returned is not None else ""
