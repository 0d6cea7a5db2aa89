"""Tracing by OpenTelemetry; imported only where it is on.

Spans are made by hand: instrumentors of whole frameworks would make a callback cost three to five
times as much. By the semantic conventions for messaging, storing is a producer's `send` and working
on it a consumer's `process`, which is linked to it; it is its child as well, so that one trace has
all.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from dingda.shared.runtime.logs import class_name
from dingda.shared.runtime.task_owner import TaskOwner, current_owner
from dingda.shared.runtime.tracing import Tracing

_SEND, _PROCESS, _DELIVER = "send", "process", "deliver"
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16


def create_otlp_tracing(service: str) -> Tracing:
    """Trace to where `OTEL_EXPORTER_OTLP_ENDPOINT` says, in batches, from a thread."""
    named = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", service)})
    ids = MessageIds()
    provider = TracerProvider(resource=named, id_generator=ids)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OTelTracing(provider, ids)


class MessageIds(IdGenerator):
    """Generates the ids of the span in which a message was stored: they are the message's own."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self.stored_id = ""
        """The message whose span is being made; "" for another kind of span."""

    def generate_trace_id(self) -> int:
        """The id of a trace that begins here."""
        if not self.stored_id:
            return self._random.generate_trace_id()
        return producer_of(self.stored_id).trace_id

    def generate_span_id(self) -> int:
        """The id of a span."""
        if not self.stored_id:
            return self._random.generate_span_id()
        return producer_of(self.stored_id).span_id


def producer_of(message_id: str, *, sampled: bool = False) -> SpanContext:
    """The span in which a message was stored, whoever stored it: two parts of the message's id."""
    trace_id, rest = message_id[:_TRACE_DIGITS], message_id[_TRACE_DIGITS:]
    return SpanContext(
        trace_id=int(trace_id, 16),
        span_id=int(rest[:_SPAN_DIGITS], 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT),
    )


class OTelTracing(Tracing):
    """Traces messages, those of them that the provider samples.

    Args:
        provider: makes the spans.
        ids: what it takes their ids from.
    """

    def __init__(self, provider: TracerProvider, ids: MessageIds) -> None:
        self._provider = provider
        self._ids = ids
        self._tracer = provider.get_tracer("dingda")

    def stored(self, message_id: str, began_ns: int) -> None:
        """Make the span of a message that has been stored."""
        self._ids.stored_id = message_id
        try:
            span = self._tracer.start_span(
                _SEND,
                context=trace.set_span_in_context(trace.INVALID_SPAN),
                kind=SpanKind.PRODUCER,
                attributes=_attributes(_SEND, message_id),
                start_time=began_ns,
            )
        finally:
            self._ids.stored_id = ""
        span.end()

    @contextmanager
    def processing(self) -> Iterator[None]:
        """Trace what the current task does for its message; its log lines name the span."""
        owner = current_owner.get()
        if owner is None:
            yield
            return
        producer = producer_of(owner.message_id, sampled=self._samples(owner.message_id))
        with self._span(
            _PROCESS,
            SpanKind.CONSUMER,
            owner,
            context=trace.set_span_in_context(NonRecordingSpan(producer)),
            links=[Link(producer)],
        ) as span:
            context = span.get_span_context()
            if context.trace_flags.sampled:
                trace_id, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
                current_owner.set(owner._replace(trace_id=trace_id, span_id=span_id))
            yield

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Trace one attempt to deliver a reply."""
        owner = current_owner.get()
        if owner is None:
            yield
            return
        with self._span(_DELIVER, SpanKind.CLIENT, owner):
            yield

    def note(self, **facts: str | int) -> None:
        """Note facts of the innermost span."""
        span = trace.get_current_span()
        for name, value in facts.items():
            span.set_attribute(f"dingda.{name}", value)

    def close(self) -> None:
        """Send what has not been sent."""
        self._provider.shutdown()

    def _samples(self, message_id: str) -> bool:
        """Whether a message is sampled: its gateway, with the same settings, decided alike."""
        trace_id = producer_of(message_id).trace_id
        decision = self._provider.sampler.should_sample(None, trace_id, _SEND).decision
        return decision is not Decision.DROP

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, owner: TaskOwner, **options: object
    ) -> Iterator[Span]:
        facts = _attributes(name, owner.message_id)
        if owner.skill:
            facts["dingda.skill"] = owner.skill
        facts["dingda.attempt"] = owner.attempt
        # An exception's own words would be recorded otherwise.
        with self._tracer.start_as_current_span(
            name,
            kind=kind,
            attributes=facts,
            record_exception=False,
            set_status_on_exception=False,
            **options,  # type: ignore[arg-type]
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", class_name(error))
                span.set_status(Status(StatusCode.ERROR))
                raise


def _attributes(operation: str, message_id: str) -> dict[str, str | int]:
    return {
        "messaging.system": "dingda",
        "messaging.operation.name": operation,
        "messaging.message.id": message_id,
    }
