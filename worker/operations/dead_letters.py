"""`dingda dead`: list, show, find and retry dead letters.

What others have chosen, such as a group's name, is shown on one line, with its control characters
escaped.
"""

from collections.abc import Sequence

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.states import DeadLetter, RetryResult
from dingda.shared.runtime.command_line import to_json
from dingda.shared.runtime.logs import printable
from dingda.worker.operations.formats import local_time

_ID_CHARS = 12
"""How much of an id is shown; any prefix that fits one dead letter identifies it."""
_REFUSALS = {
    RetryResult.EXPIRED: "its session has closed, so DingTalk would not take a reply any more",
    RetryResult.GONE: "there is no such message",
}


def show_dead_letters(dead_letters: Sequence[DeadLetter], *, as_json: bool, now_s: float) -> str:
    """A line for each dead letter, the newest first, or a JSON list; never a message's text."""
    facts = [_facts(dead_letter, now_s) for dead_letter in dead_letters]
    if as_json:
        return to_json(facts)
    if not facts:
        return "no dead letters"
    return "\n".join(
        f"{_short_id(fact['id'])}  {fact['died']}  {fact['age_s']:>7.0f} s ago  "
        f"leased {fact['lease_count']}×  {_shown(fact['skill'] or '-')}  "
        f"{_shown(fact['kind'] or fact['conversation'] or '-')}  {_shown(fact['reason'])}"
        for fact in facts
    )


async def retry_dead_letter(admin: LedgerAdmin, dead_letter: DeadLetter) -> tuple[bool, str]:
    """Retry a dead letter; return whether it was accepted, and a sentence about it."""
    result = await admin.retry_dead_letter(dead_letter.id)
    if result is RetryResult.ACCEPTED:
        return True, f"{_short_id(dead_letter.id)}  accepted again"
    why = _REFUSALS.get(result, f"it is {result}")
    return False, f"{_short_id(dead_letter.id)}  not retried: {why}"


def find_dead_letter(dead_letters: Sequence[DeadLetter], id_prefix: str) -> DeadLetter | None:
    """The one dead letter whose id begins with a prefix; None if there is none, or several."""
    found = [dead_letter for dead_letter in dead_letters if dead_letter.id.startswith(id_prefix)]
    return found[0] if len(found) == 1 else None


def show_dead_letter(dead_letter: DeadLetter, *, as_json: bool, now_s: float) -> str:
    """All facts of a dead letter but its text, a line for each, or a JSON object."""
    facts = _facts(dead_letter, now_s)
    if as_json:
        return to_json(facts)
    return "\n".join(f"{name:12} {_shown(value)}" for name, value in facts.items())


def _shown(value: object) -> str:
    return printable(str(value))


def _short_id(message_id: object) -> str:
    return _shown(str(message_id)[:_ID_CHARS])


def _facts(dead_letter: DeadLetter, now_s: float) -> dict[str, object]:
    return {
        "id": dead_letter.id,
        "reason": dead_letter.reason,
        "lease_count": dead_letter.lease_count,
        "accepted": local_time(dead_letter.accepted_ms),
        "died": local_time(dead_letter.ended_ms),
        "age_s": round(now_s - dead_letter.ended_ms / 1000, 1),
        "waited_s": round((dead_letter.ended_ms - dead_letter.accepted_ms) / 1000, 1),
        "kind": dead_letter.facts.kind,
        "skill": dead_letter.facts.skill,
        "error": dead_letter.facts.error,
        "place": dead_letter.facts.place,
        "conversation": conversation_of(dead_letter),
        "can_retry": dead_letter.payload is not None,
    }


def conversation_of(dead_letter: DeadLetter) -> str:
    """The title of the group that a dead letter is from; "" if its payload is gone."""
    try:
        message = parse_message(dead_letter.payload or b"")
    except InvalidMessageError:
        return ""
    return message.conversation_title if isinstance(message, Message) else ""
