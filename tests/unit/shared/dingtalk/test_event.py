"""Events: what is read of a frame's headers and data."""

import pytest

from dingda.shared.dingtalk.event import Event, parse_event
from dingda.shared.dingtalk.message import Ignored
from dingda.shared.errors import InvalidMessageError
from tests.support.builders import an_event, event_headers


def test_an_event_is_read_from_headers_and_data() -> None:
    assert parse_event(event_headers("chat_add_member"), an_event()) == Event(
        "chat_add_member",
        {"chatId": "chat1", "userId": ["0002"]},
        id="e1",
        corp_id="dingcorp",
        born_ms=1_700_000_000_000,
    )


def test_what_is_not_needed_to_call_a_hook_may_be_absent_or_of_another_type() -> None:
    headers = {"eventType": "t", "eventId": "e1", "eventCorpId": 7, "eventBornTime": []}
    assert parse_event(headers, b"{}") == Event("t", {}, id="e1")


@pytest.mark.parametrize("data", [b'{"errorCode":"20001","errMsg":"x"}', b'{"errCode":20001}'])
def test_an_event_over_the_quota_is_ignored(data: bytes) -> None:
    assert parse_event(event_headers(), data) == Ignored("over_quota")


def test_over_the_quota_not_even_the_headers_are_needed() -> None:
    assert parse_event({}, b'{"errorCode":20001}') == Ignored("over_quota")


@pytest.mark.parametrize("missing", ["eventType", "eventId"])
def test_an_event_without_a_type_or_an_id_is_refused(missing: str) -> None:
    with pytest.raises(InvalidMessageError, match=missing):
        parse_event(event_headers(**{missing: ""}), an_event())


def test_what_an_event_says_is_in_no_representation_of_it() -> None:
    assert "canary" not in repr(parse_event(event_headers(), an_event(title="canary")))
