"""The robots that a worker answers for: the parts that are each robot's own."""

from collections.abc import Callable
from dataclasses import dataclass

from dingda.worker.answering.cards import RobotCards
from dingda.worker.answering.growing_card import GrowingCards
from dingda.worker.answering.hook_caller import HookCaller
from dingda.worker.answering.late import LateReplies
from dingda.worker.answering.rate_limit import RateLimiter
from dingda.worker.answering.reaction import ThinkingReaction
from dingda.worker.answering.responder import Responder
from dingda.worker.delivery.card import CardChannel
from dingda.worker.delivery.channel import SendChannel
from dingda.worker.delivery.push import PushChannel


@dataclass(frozen=True, slots=True)
class AnsweringRobot:
    """What the messages to one robot are answered with, and no other robot's messages."""

    responder: Responder
    """Makes the response: with its skills, its address book, and its metrics."""
    hooks: HookCaller
    """Calls the hooks of the same skills."""
    push: PushChannel
    """Sends what it says of its own accord."""
    late: LateReplies
    """Pushes what comes too late for a session."""
    private: SendChannel | None = None
    """Sends replies to the sender alone; None where that is not set up."""
    card: CardChannel | None = None
    """Shows replies as cards; None where no template is set up."""
    cards: RobotCards | None = None
    """What its cards offer, and who may press them."""
    growing: GrowingCards | None = None
    """The cards that its answers grow on; None: they are sent when they are complete."""
    reaction: ThinkingReaction | None = None
    """What it puts on messages while it works on them; None: nothing."""
    rate_limiter: RateLimiter | None = None
    """Bounds what one person or conversation may send to it; None: no bounds."""


FindRobot = Callable[[str], AnsweringRobot | None]
"""Finds the robot of a message by its code (`Message.robot_code`), once for each attempt; None if
this worker does not know it."""
