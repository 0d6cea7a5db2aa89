"""Frames of Stream mode: strictly read, and acknowledged by name."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.gateway.stream import frames
from dingda.gateway.stream.frames import Frame, read_frame
from dingda.shared.dingtalk.card_action import response_to
from dingda.shared.errors import InvalidMessageError
from tests.support.stream_server import a_frame, a_ping

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def read(frame: Any) -> Frame:
    return read_frame(json.dumps(frame).encode())


def acknowledged(acknowledgement: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(acknowledgement)
    return fields


def test_a_frame_is_read_as_it_is_on_the_wire() -> None:
    frame = read(a_frame('{"msgId":"1"}', message_id="0bc1_1", type_="CALLBACK", topic="/v1.0/x"))
    assert (frame.type, frame.topic, frame.message_id) == ("CALLBACK", "/v1.0/x", "0bc1_1")
    assert frame.data == '{"msgId":"1"}'
    assert frame.headers["time"] == "1700000000000"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"nonsense",
        b"[]",
        b"1",
        b'"frame"',
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"{}",
        b'{"headers": []}',
        b'{"headers": {}}',
        b'{"headers": {"messageId": 1}}',
        b'{"headers": {"messageId": ""}}',
        b'{"headers": {"messageId": "' + b"x" * 513 + b'"}}',
        b'{"headers": {"messageId": NaN}}',
    ],
    ids=lambda frame: frame[:24].decode("latin-1"),
)
def test_what_can_not_be_acknowledged_is_no_frame(frame: bytes) -> None:
    with pytest.raises(InvalidMessageError):
        read_frame(frame)


def test_fields_of_a_wrong_type_count_as_absent() -> None:
    frame = read({"type": 1, "headers": {"messageId": "1", "topic": {}, "time": 5}, "data": {}})
    assert (frame.type, frame.topic, frame.data) == ("", "", "")


def test_what_a_frame_holds_is_not_in_its_repr() -> None:
    assert "secret words" not in repr(read(a_frame("secret words", eventId="secret words")))


@given(JSON)
def test_any_json_is_a_frame_or_refused(content: Any) -> None:
    for text in (content, {"headers": content}, {"headers": {"messageId": "1"}, "data": content}):
        try:
            frame = read(text)
        except InvalidMessageError:
            continue
        assert acknowledged(frames.message_done(frame))["code"] == 200


def test_a_ping_is_answered_with_its_own_data() -> None:
    pong = acknowledged(frames.pong(read(a_ping("0da9", message_id="c0a8"))))
    assert pong["code"] == 200
    assert pong["headers"] == {"messageId": "c0a8", "contentType": "application/json"}
    assert json.loads(pong["data"]) == {"opaque": "0da9"}


@pytest.mark.parametrize(
    ("make", "code", "data"),
    [
        (frames.message_done, 200, {"response": None}),
        (frames.card_done, 200, {"response": response_to(b"")}),
        (frames.event_done, 200, {"status": "SUCCESS"}),
        (frames.event_later, 200, {"status": "LATER"}),
        (frames.system_done, 200, {}),
        (frames.refused, 400, {"response": None}),
        (frames.unknown, 404, {"response": None}),
    ],
)
def test_each_acknowledgement_names_its_frame_and_holds_json_in_a_string(
    make: Any, code: int, data: Any
) -> None:
    fields = acknowledged(make(read(a_frame(message_id="0bc1_1"))))
    assert fields["code"] == code
    assert fields["headers"]["messageId"] == "0bc1_1"
    assert json.loads(fields["data"]) == data


def test_half_a_surrogate_pair_in_an_id_is_acknowledged_all_the_same() -> None:
    frame = read_frame(b'{"headers": {"messageId": "\\ud83d"}}')
    assert acknowledged(frames.unknown(frame))["headers"]["messageId"] == "�"
