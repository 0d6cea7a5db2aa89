"""Everything that people really send, through a gateway and a worker that run."""

import json
from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal

from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.demo import coupons, performance
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.testing.stack import a_running_stack
from dingda.testing import SimulatedDingTalk
from tests.e2e.real_messages import CASES, HELP, Case
from tests.support.builders import callback_fields

SKILLS = (
    "dingda.worker.skills.weather,dingda.worker.skills.coupons,dingda.worker.skills.performance"
)


@pytest.fixture(scope="module")
def dingtalk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedDingTalk]:
    folder = tmp_path_factory.mktemp("stack")
    coupons.create(folder / "coupons.db")
    performance.create(folder / "performance.db")
    settings = {
        "DINGDA_SKILLS": SKILLS,
        "DINGDA_SENDER_LIMIT": "0",
        "DINGDA_CONVERSATION_LIMIT": "0",
        "DINGDA_COUPONS_URL": f"sqlite:///{folder}/coupons.db",
        "DINGDA_PERFORMANCE_URL": f"sqlite:///{folder}/performance.db",
    }
    with (
        a_running_stack(folder, settings) as stack,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(SimulatorClient(stack.url)) as client,
    ):
        yield SimulatedDingTalk(client, portal)


def shown(record: Record) -> str:
    return " ".join(json.dumps(reply.payload, ensure_ascii=False) for reply in record.shown)


def fault(dingtalk: SimulatedDingTalk, case: Case) -> str | None:
    """What is wrong with the answer to a case, if anything is."""
    # What the gateway doesn't store has no timeline that would tell when to stop waiting.
    record = dingtalk.ask_raw(case.body, wait_s=20.0 if case.is_stored else 0.5)
    replies = shown(record)
    if record.ack is None or record.ack.status != case.ack:
        return f"acknowledged with {record.ack}"
    if not case.right:
        return replies or None
    if case.right not in replies:
        return replies or "silence"
    return next((f"{each} in {replies}" for each in case.never if each in replies), None)


def test_every_body_gets_the_reply_or_the_silence_that_is_right(
    dingtalk: SimulatedDingTalk,
) -> None:
    faults = {name: fault(dingtalk, case) for name, case in CASES.items()}
    assert {name: wrong for name, wrong in faults.items() if wrong} == {}


def test_two_robots_in_one_message_both_answer(dingtalk: SimulatedDingTalk) -> None:
    """C16: their callbacks share a msgId, and here a session as well."""
    first = dingtalk.ask_raw(callback_fields(" 帮助"))
    other = first.callback | {"chatbotUserId": "$:LWCP_v1:$other", "robotCode": "other"}
    dingtalk.ask_raw(other, verbatim=True)
    both = dingtalk.look(first, wait_s=1)
    assert [HELP in str(reply.payload) for reply in both.shown] == [True, True]
