import asyncio
import json
from collections import Counter
from itertools import pairwise

import pytest

from dingda.simulator.dingtalk.stream_faults import StreamFaults
from dingda.simulator.dingtalk.stream_frames import (
    CARD_TOPIC,
    ROBOT_TOPIC,
    Outcome,
    Push,
    StreamAck,
    Undelivered,
)
from dingda.simulator.dingtalk.stream_opening import OpenRefusal
from dingda.simulator.dingtalk.stream_rules import StreamRules
from tests.support.stream_harness import (
    CLIENT_ID,
    Frame,
    StreamClient,
    a_push,
    a_stream,
    opening,
)
from tests.support.virtual_time import virtual_time


@virtual_time
async def test_a_ticket_is_good_for_one_connection() -> None:
    stream = a_stream()
    ticket = stream.open(opening())
    assert isinstance(ticket, str)
    assert stream.connect(ticket, StreamClient(stream)) is not None
    assert stream.connect(ticket, StreamClient(stream)) is None


@virtual_time
async def test_a_ticket_is_good_for_90_s() -> None:
    stream = a_stream()
    early, late = stream.open(opening()), stream.open(opening())
    assert isinstance(early, str)
    assert isinstance(late, str)
    await asyncio.sleep(89.9)
    assert stream.connect(early, StreamClient(stream)) is not None
    await asyncio.sleep(0.2)
    assert stream.connect(late, StreamClient(stream)) is None


@virtual_time
async def test_a_wrong_secret_is_refused_as_dingtalk_does() -> None:
    refusal = a_stream().open(opening(secret="another"))
    assert refusal == OpenRefusal(401, "authFailed", "鉴权失败")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (None, "Missingbody"),
        ({}, "MissingclientId"),
        (opening() | {"clientSecret": ""}, "MissingclientSecret"),
        (opening(topics=()), "Missingsubscriptions"),
        (opening(topics=(("CALLBACK", ""),)), "Missingtopic"),
        (opening(topics=(("", ROBOT_TOPIC),)), "Missingtype"),
        (opening(topics=(("ROBOT", ROBOT_TOPIC),)), "Invalidsubscriptions"),
        (opening() | {"subscriptions": ["*"]}, "Invalidsubscriptions"),
        (opening() | {"subscriptions": {"type": "EVENT"}}, "Invalidsubscriptions"),
        (opening(ua=1), "Invalidua"),
    ],
)
@virtual_time
async def test_a_request_that_lacks_a_field_is_refused(
    fields: dict[str, object] | None, code: str
) -> None:
    refusal = a_stream().open(fields)
    assert isinstance(refusal, OpenRefusal)
    assert (refusal.status, refusal.code) == (400, code)


@virtual_time
async def test_a_frame_is_as_on_the_wire() -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    await stream.deliver(CLIENT_ID, a_push())
    (frame,) = client.frames
    assert {**frame, "headers": {}} == {
        "specVersion": "1.0",
        "type": "CALLBACK",
        "headers": {},
        "data": '{"msgId": "msg1"}',
    }
    headers = frame["headers"]
    assert all(isinstance(value, str) for value in headers.values())
    assert headers["topic"] == ROBOT_TOPIC
    assert headers["connectionId"] == client.connection.id


@virtual_time
async def test_an_ack_ends_a_push() -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    outcome = await stream.deliver(CLIENT_ID, a_push())
    assert isinstance(outcome, StreamAck)
    assert outcome.code == 200
    await asyncio.sleep(600)
    assert len(client.pushes) == 1
    assert (stream.state.pushed, stream.state.acked, stream.state.redelivered) == (1, 1, 0)


@virtual_time
async def test_without_a_connection_that_has_subscribed_nothing_is_pushed() -> None:
    stream = a_stream()
    StreamClient.connected(stream, topics=(("CALLBACK", CARD_TOPIC),))
    assert await stream.deliver(CLIENT_ID, a_push()) is Undelivered.NO_CONNECTION


@virtual_time
async def test_an_application_gets_only_what_is_its_own() -> None:
    stream = a_stream(apps={"dinga": ["a"], "dingb": ["b"]})
    a = StreamClient.connected(stream, client_id="dinga", secret="a")
    b = StreamClient.connected(stream, client_id="dingb", secret="b")
    await stream.deliver("dinga", a_push())
    assert (len(a.pushes), len(b.pushes)) == (1, 0)


@virtual_time
async def test_each_push_goes_to_one_connection_at_random() -> None:
    stream = a_stream()
    clients = [StreamClient.connected(stream) for _ in range(4)]
    for _ in range(400):
        await stream.deliver(CLIENT_ID, a_push())
    shares = [len(client.pushes) for client in clients]
    assert sum(shares) == 400
    assert all(70 < share < 130 for share in shares)


@virtual_time
async def test_what_is_not_acknowledged_comes_again_as_a_new_frame_of_the_same_message() -> None:
    stream = a_stream(rules=StreamRules(ack_timeout_s=3, redeliver_after_s=13))
    client = StreamClient.connected(stream)
    client.acks = lambda frame: frame["type"] == "SYSTEM" or len(client.pushes) > 1
    began_s = asyncio.get_running_loop().time()
    assert await stream.deliver(CLIENT_ID, a_push()) is Undelivered.NO_ACK
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(3)
    await asyncio.sleep(12.9)
    assert len(client.pushes) == 1
    await asyncio.sleep(0.2)
    first, second = client.pushes
    assert first["data"] == second["data"]
    assert first["headers"]["messageId"] != second["headers"]["messageId"]
    assert (stream.state.acked, stream.state.redelivered, stream.state.lost) == (1, 1, 0)


@virtual_time
async def test_after_the_last_redelivery_a_push_is_lost() -> None:
    stream = a_stream(rules=StreamRules(redeliveries=2))
    client = StreamClient.connected(stream)
    client.acks = lambda frame: frame["type"] == "SYSTEM"
    outcomes: list[Outcome] = []

    async def note(outcome: Outcome) -> None:
        outcomes.append(outcome)

    await stream.deliver(CLIENT_ID, a_push(), on_redelivery=note)
    await asyncio.sleep(600)
    assert len(client.pushes) == 3
    assert outcomes == [Undelivered.NO_ACK] * 2
    assert (stream.state.pushed, stream.state.redelivered, stream.state.lost) == (1, 2, 1)


@virtual_time
async def test_what_found_no_connection_goes_to_one_that_opens_in_time() -> None:
    stream = a_stream()
    assert await stream.deliver(CLIENT_ID, a_push()) is Undelivered.NO_CONNECTION
    client = StreamClient.connected(stream)
    await asyncio.sleep(600)
    assert len(client.pushes) == 1
    assert (stream.state.acked, stream.state.lost) == (1, 0)


@pytest.mark.parametrize(
    ("code", "data"), [(500, "{}"), (503, "{}"), (200, '{"status": "LATER", "message": "busy"}')]
)
@virtual_time
async def test_an_error_or_later_is_no_ack(code: int, data: str) -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    client.code = code
    client.acks = lambda frame: frame["type"] == "SYSTEM"
    delivering = asyncio.create_task(stream.deliver(CLIENT_ID, a_push()))
    await asyncio.sleep(1)
    client.acknowledge(client.pushes[0], data=data)
    outcome = await delivering
    assert isinstance(outcome, StreamAck)
    assert not outcome.taken
    await asyncio.sleep(20)
    assert len(client.pushes) == 2


@virtual_time
async def test_an_ack_that_comes_too_late_does_not_keep_the_push_from_coming_again() -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    client.acks = lambda frame: frame["type"] == "SYSTEM" or len(client.pushes) > 1
    await stream.deliver(CLIENT_ID, a_push())
    client.acknowledge(client.pushes[0])
    await asyncio.sleep(20)
    assert len(client.pushes) == 2
    assert (stream.state.late, stream.state.acked) == (1, 1)


@virtual_time
async def test_second_and_unknown_acks_and_other_texts_are_counted() -> None:
    stream = a_stream()
    client, other = (StreamClient.connected(stream) for _ in range(2))
    for _ in range(50):
        await stream.deliver(CLIENT_ID, a_push())
    client.acknowledge(client.pushes[0])
    client.acknowledge(other.pushes[0])
    for text in ("", "[]", "null", '{"code": 200}', '{"headers": 1, "code": 1}', "[" * 100_000):
        stream.receive(client.connection, text)
    state = stream.state
    assert (state.second, state.unknown, state.invalid) == (1, 1, 6)


@virtual_time
async def test_a_connection_that_answers_its_pings_lives() -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    times: list[float] = []

    def note_time(_: Frame) -> bool:
        times.append(asyncio.get_running_loop().time())
        return True

    client.acks = note_time
    await asyncio.sleep(3600)
    assert not client.is_cut
    assert set(client.topics) == {"ping"}
    assert all(20 <= later - earlier <= 30 for earlier, later in pairwise(times))
    assert stream.state.unknown == 0


@pytest.mark.parametrize("data", [None, '{"opaque": "another"}', "{}"])
@virtual_time
async def test_a_connection_that_does_not_echo_a_ping_is_cut_at_the_next(data: str | None) -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    client.acks = lambda _: False
    await asyncio.sleep(31)
    if data:
        client.acknowledge(client.frames[0], data=data)
    assert not client.is_cut
    await asyncio.sleep(31)
    assert client.is_cut
    assert client.topics == ["ping"]
    assert stream.state.connections == ()
    assert stream.state.unanswered_pings == 1


@virtual_time
async def test_after_disconnect_a_connection_gets_nothing_more_and_is_cut_10_s_later() -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    assert stream.disconnect("connection is expired") == 1
    (frame,) = client.frames
    assert (frame["type"], frame["headers"]["topic"]) == ("SYSTEM", "disconnect")
    assert json.loads(frame["data"]) == {"reason": "connection is expired"}
    assert [each.state for each in stream.state.connections] == ["told"]
    assert await stream.deliver(CLIENT_ID, a_push()) is Undelivered.NO_CONNECTION
    await asyncio.sleep(9.9)
    assert not client.is_cut
    await asyncio.sleep(0.2)
    assert client.is_cut
    assert stream.state.connections == ()
    assert stream.state.unknown == 0


@virtual_time
async def test_acks_of_what_came_before_disconnect_count() -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    client.acks = lambda _: False
    delivering = asyncio.create_task(stream.deliver(CLIENT_ID, a_push()))
    await asyncio.sleep(1)
    stream.disconnect("connection is expired")
    client.acknowledge(client.pushes[0])
    assert isinstance(await delivering, StreamAck)


@virtual_time
async def test_a_zombie_gets_its_share_and_no_frame_of_any_kind() -> None:
    stream = a_stream(rules=StreamRules(redeliveries=0))
    zombie = StreamClient.connected(stream)
    stream.faults = StreamFaults(zombie=True)
    sound = StreamClient.connected(stream)
    outcomes = Counter([type(await stream.deliver(CLIENT_ID, a_push())) for _ in range(100)])
    await asyncio.sleep(600)
    assert zombie.frames == []
    assert not zombie.is_cut
    assert outcomes[StreamAck] == len(sound.pushes)
    assert 25 < outcomes[Undelivered] < 75
    stream.faults = StreamFaults()
    await asyncio.sleep(60)
    assert "ping" in zombie.topics


@virtual_time
async def test_stale_connections_get_their_share() -> None:
    stream = a_stream(rules=StreamRules(redeliveries=0))
    client = StreamClient.connected(stream)
    stream.faults = StreamFaults(stale=30)
    outcomes = [await stream.deliver(CLIENT_ID, a_push()) for _ in range(310)]
    assert len(stream.state.connections) == 31
    assert len(client.pushes) + outcomes.count(Undelivered.NO_ACK) == 310
    assert 2 < len(client.pushes) < 25
    stream.faults = StreamFaults()
    assert [each.state for each in stream.state.connections] == ["open"]


@virtual_time
async def test_a_closed_connection_gets_nothing_more() -> None:
    stream = a_stream()
    StreamClient.connected(stream).close()
    assert await stream.deliver(CLIENT_ID, a_push()) is Undelivered.NO_CONNECTION


@virtual_time
async def test_a_close_that_is_ignored_is_noticed_once_a_ping_is_not_answered() -> None:
    stream = a_stream(rules=StreamRules(redeliveries=0))
    client = StreamClient.connected(stream)
    stream.faults = StreamFaults(ignores_closes=True)
    client.close()
    assert await stream.deliver(CLIENT_ID, a_push()) is Undelivered.NO_ACK
    assert [each.state for each in stream.state.connections] == ["deserted"]
    await asyncio.sleep(60)
    assert stream.state.connections == ()
    assert client.frames == []


@virtual_time
async def test_a_lost_ack_brings_the_push_again() -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    stream.faults = StreamFaults(lost_acks=1)
    assert await stream.deliver(CLIENT_ID, a_push()) is Undelivered.NO_ACK
    await asyncio.sleep(600)
    assert len(client.pushes) == 2
    assert (stream.faults.lost_acks, stream.state.acked) == (0, 1)


@virtual_time
async def test_a_delayed_push_may_arrive_after_its_deadline() -> None:
    stream = a_stream(rules=StreamRules(ack_timeout_s=3, redeliveries=1))
    client = StreamClient.connected(stream)
    stream.faults = StreamFaults(delay_ms=4000)
    assert await stream.deliver(CLIENT_ID, a_push()) is Undelivered.NO_ACK
    assert client.pushes == []
    await asyncio.sleep(1.1)
    assert len(client.pushes) == 1
    assert stream.state.late == 1


@virtual_time
async def test_every_connection_can_be_cut_without_a_word() -> None:
    stream = a_stream()
    clients = [StreamClient.connected(stream) for _ in range(2)]
    assert stream.cut() == 2
    assert all(client.is_cut and client.frames == [] for client in clients)
    assert stream.state.connections == ()


@virtual_time
async def test_a_frame_of_an_unknown_topic_goes_to_any_connection() -> None:
    stream = a_stream()
    client = StreamClient.connected(stream, topics=(("EVENT", "*"),))
    await stream.deliver(CLIENT_ID, Push("CALLBACK", "/v1.0/new/thing", "{}"))
    assert client.topics == ["/v1.0/new/thing"]


@virtual_time
async def test_ack_times_are_told_in_quantiles() -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    client.acks = lambda _: False
    for ack_ms in (10, 20, 30, 40):
        delivering = asyncio.create_task(stream.deliver(CLIENT_ID, a_push()))
        await asyncio.sleep(ack_ms / 1000)
        client.acknowledge(client.pushes[-1])
        await delivering
    times = stream.state.ack_ms
    assert times.count == 4
    assert times.p50 == pytest.approx(30)
    assert times.max == pytest.approx(40)


@virtual_time
async def test_closing_ends_what_was_to_come_again() -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    client.acks = lambda frame: frame["type"] == "SYSTEM"
    await stream.deliver(CLIENT_ID, a_push())
    await stream.close()
    await asyncio.sleep(600)
    assert len(client.frames) == 1
