"""What the end of a message does to the dialogue of its sender; `lua/parts/dialogue.lua` does it.

A dialogue is the question that somebody was asked last in a conversation, and may still answer. The
message that follows takes it along when it is leased (`Lease.dialogue`); what becomes of it is
written with the message's end, in one script, so that no step of a dialogue is made twice.
"""

AS_STORED = ""
"""What an earlier claim of the message said of it, or nothing."""
LEFT_ALONE = "-"
"""The dialogue is what it was: the message has led to nothing."""
CLOSED = "close"
"""The question was answered, or left."""
LATE = "late"
"""What `Lease.dialogue` is of a message that came after the question's time."""


def opened(question: str, *, expires_ms: int, elsewhere: str = "") -> str:
    """Another question is asked.

    Args:
        question: what the next step needs, as a worker writes it down.
        expires_ms: how long it may be answered, in milliseconds from the end of this message.
        elsewhere: the ordering key of the conversation that goes on with it; "" for this one.
    """
    return f"{expires_ms} {elsewhere} {question}"
