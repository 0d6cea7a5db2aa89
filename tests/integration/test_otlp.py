"""`DINGDA_TRACING=otlp`: gateway and worker send their spans of a message to a collector."""

from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.builders import a_callback, a_message
from tests.support.processes import SessionWebhook, gateway, post_callback, valkey, worker


def test_gateway_and_worker_send_the_spans_of_a_message(tmp_path: Path) -> None:
    with valkey(tmp_path) as server, SessionWebhook() as dingtalk, SessionWebhook() as collector:
        tracing = {"DINGDA_TRACING": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.origin}
        skills = {"DINGDA_SKILLS": "dingda.worker.skills.demo"}
        body = {"sessionWebhook": dingtalk.url(), "msgId": "traced"}
        with (
            gateway(server.url, **tracing) as (hears, address),
            worker(server.url, dingtalk.origin, **tracing, **skills) as answers,
        ):
            post_callback(address, a_callback("text", **body))
            dingtalk.wait_for(1)
            answers.wait_for("answered")
            hears.stop()
            answers.stop()
    spans: dict[tuple[str, str], str] = {}
    for post in collector.posts:
        assert post.path == "/v1/traces"
        for each in ExportTraceServiceRequest.FromString(post.body).resource_spans:
            (service,) = [
                attribute.value.string_value
                for attribute in each.resource.attributes
                if attribute.key == "service.name"
            ]
            for scope in each.scope_spans:
                spans |= {(service, span.name): span.trace_id.hex() for span in scope.spans}
    trace_id = a_message("text", **body).id[:32]
    assert spans == {
        ("dingda-gateway", "send"): trace_id,
        ("dingda-worker", "process"): trace_id,
        ("dingda-worker", "deliver"): trace_id,
    }
