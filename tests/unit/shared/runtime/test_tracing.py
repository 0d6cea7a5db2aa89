"""Spans of a message's way are one trace, whose id is the message's; off, nothing is imported."""

import subprocess
import sys
from collections.abc import Iterator
from time import time_ns

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from dingda.gateway.intake import Intake
from dingda.gateway.receiver import Receiver
from dingda.shared.dingtalk.robots import ANY_ROBOT
from dingda.shared.errors import SettingsError
from dingda.shared.runtime.otel import MessageIds, OTelTracing
from dingda.shared.runtime.task_owner import TaskOwner, current_owner
from dingda.shared.runtime.tracing import Tracing, create_tracing
from tests.support.builders import a_callback, a_message
from tests.support.log_lines import log_lines
from tests.support.worker_harness import open_worker

pytestmark = pytest.mark.heavy

WORDS = "我的工资"


class Traced:
    """A process's tracing, and the spans that it has ended."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        ids = MessageIds()
        provider = TracerProvider(sampler=sampler, id_generator=ids)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing: Tracing = OTelTracing(provider, ids)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def span(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans if span.name == name]
        return found


def ids_of(context: SpanContext | None) -> tuple[int, int] | None:
    return (context.trace_id, context.span_id) if context else None


@pytest.fixture
def here() -> Traced:
    return Traced()


@pytest.fixture(autouse=True)
def _nobodys_message() -> Iterator[None]:
    token = current_owner.set(None)
    yield
    current_owner.reset(token)


async def test_a_message_is_one_trace_from_the_gateway_to_the_delivery(here: Traced) -> None:
    gateway = Traced()
    (robot,) = ANY_ROBOT
    async with open_worker(lambda: "好", tracing=here.tracing) as worker:
        receiver = Receiver(Intake(worker.ledger, backlog_limit=9), worker.ledger, gateway.tracing)
        async with receiver._intake.running():
            await receiver.receive(a_callback("问"), robot)
            await receiver.receive(a_callback("问"), robot)
        message = a_message("问")
        await worker.answer(message)
    sent = gateway.span("send")
    process, delivery = here.span("process"), here.span("deliver")
    assert sent.context.trace_id == int(message.id[:32], 16)
    assert {span.context.trace_id for span in here.spans} == {sent.context.trace_id}
    assert ids_of(process.parent) == ids_of(process.links[0].context) == ids_of(sent.context)
    assert ids_of(delivery.parent) == ids_of(process.context)
    kinds = [span.kind for span in (sent, process, delivery)]
    assert kinds == [SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.CLIENT]
    assert process.attributes
    assert process.attributes["messaging.message.id"] == message.id
    assert process.attributes["dingda.skill"] == "test"


async def test_a_second_attempt_is_another_child_of_the_same_trace(here: Traced) -> None:
    async with open_worker(lambda: "好", tracing=here.tracing) as worker:
        worker.chat.script = [{"errcode": -1}]
        message = await worker.asked()
        await worker.rest(message)
        await worker.answer(message)
    attempts = [span for span in here.spans if span.name == "process"]
    assert [span.attributes and span.attributes["dingda.attempt"] for span in attempts] == [1, 2]
    assert len({ids_of(span.parent) for span in attempts}) == 1


async def test_an_error_is_its_class_and_none_of_its_words(here: Traced) -> None:
    current_owner.set(TaskOwner(a_message().id))
    with pytest.raises(ValueError, match=WORDS), here.tracing.processing():
        raise ValueError(WORDS)
    span = here.span("process")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes
    assert span.attributes["error.type"] == "ValueError"
    assert WORDS not in span.to_json()


async def test_no_span_holds_what_anybody_wrote(here: Traced) -> None:
    def fails() -> str:
        raise ValueError(WORDS)

    async with open_worker(fails, tracing=here.tracing) as worker:
        await worker.asked("问", senderNick=WORDS)
    assert here.spans
    assert WORDS not in "".join(span.to_json() for span in here.spans)
    assert "session" not in "".join(span.to_json() for span in here.spans)


def test_gateway_and_worker_sample_the_same_messages() -> None:
    gateway, worker = (Traced(ParentBased(TraceIdRatioBased(0.5))) for _ in range(2))
    for number in range(100):
        message = a_message(msgId=f"msg{number}")
        gateway.tracing.stored(message.id, time_ns())
        current_owner.set(TaskOwner(message.id))
        with worker.tracing.processing():
            pass
    sampled = {span.context.trace_id for span in gateway.spans}
    assert 20 < len(sampled) < 80
    assert {span.context.trace_id for span in worker.spans} == sampled


def test_a_message_that_is_not_sampled_has_no_trace_in_the_log() -> None:
    nobody = Traced(TraceIdRatioBased(0.0))
    current_owner.set(TaskOwner(a_message().id))
    with nobody.tracing.processing():
        owner = current_owner.get()
    assert owner == TaskOwner(a_message().id)


async def test_log_lines_name_the_span(here: Traced) -> None:
    with log_lines() as lines:
        async with open_worker(lambda: "好", tracing=here.tracing) as worker:
            message = await worker.asked()
    traced = [line for line in lines.all if line.get("message_id") == message.id]
    process = here.span("process")
    assert traced
    assert {line["trace_id"] for line in traced} == {message.id[:32]}
    assert {line["span_id"] for line in traced} == {f"{process.context.span_id:016x}"}


def test_off_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys, dingda.gateway.app, dingda.worker.app\n"
        "from dingda.shared.runtime.tracing import create_tracing\n"
        "create_tracing('off', service='x').stored('a', 1)\n"
        # redis-py loads what it needs for its own metrics, wherever that is installed.
        "ours = ('dingda.shared.runtime.otel', 'opentelemetry.exporter', 'opentelemetry.sdk.tr')\n"
        "sys.exit(any(name.startswith(ours) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_extra_the_setting_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "dingda.shared.runtime.otel", None)
    with pytest.raises(SettingsError, match="pip install"):
        create_tracing("otlp", service="x")
