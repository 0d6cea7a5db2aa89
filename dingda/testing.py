"""Two kits for the tests of skills. Neither needs a DingTalk, and only the fixture needs pytest.

`ask` calls a skill in this process, with no Redis and no network, and returns the reply. `listen`
does the same, and returns the whole `Response`, with its `Outcome`. `fire` calls its hooks for an
event or a card action, and returns how that would end; `tick` calls a scheduled function. A
`Conversation` says several things to a skill that asks back.

    async def test_coffee_is_served() -> None:
        assert await ask(skill, "咖啡") == Text("咖啡好了")

`SimulatedDingTalk` talks to the real gateway, queue and worker. A test gets it as the fixture
`dingtalk`, which pytest finds once this package is installed (`dingda.pytest_plugin`):

    def test_coffee_is_served(dingtalk: SimulatedDingTalk) -> None:
        assert dingtalk.ask("咖啡").shown[0].payload["text"]["content"] == "咖啡好了"

docs/testing.md shows more.
"""

from dingda.shared.ledger.states import Completion, DeadReason, Outcome
from dingda.shared.ledger.timeline import MessageTimeline
from dingda.shared.runtime.inspection import Inspection
from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.simulator.dingtalk.card import CardState, Toast
from dingda.simulator.dingtalk.faults import CallbackFault, FaultSettings, ReplyFault
from dingda.simulator.dingtalk.members import Member
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFault, OpenAPIFaults
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.user_message import Mentioned, Quotation, UserMessage
from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from dingda.worker.answering.response import Response
from dingda.worker.services.memory_cache import MemoryCache
from dingda.worker.services.memory_media import MemoryMedia
from dingda.worker.testing.asking import People, ask, fire, listen
from dingda.worker.testing.conversation import Conversation
from dingda.worker.testing.pressing import Pressed, press
from dingda.worker.testing.pushes import Pushes
from dingda.worker.testing.ticks import tick, ticks_after

__all__ = [
    "CallbackFault",
    "CardState",
    "Completion",
    "Conversation",
    "DeadReason",
    "FaultSettings",
    "Inspection",
    "Member",
    "MemoryCache",
    "MemoryMedia",
    "Mentioned",
    "MessageTimeline",
    "OpenAPIFault",
    "OpenAPIFaults",
    "Outcome",
    "People",
    "Pressed",
    "Pushes",
    "Quotation",
    "Record",
    "ReplyFault",
    "Response",
    "SimulatedDingTalk",
    "SimulatorClient",
    "Toast",
    "UserMessage",
    "ask",
    "fire",
    "listen",
    "press",
    "staff_id_of",
    "tick",
    "ticks_after",
]
