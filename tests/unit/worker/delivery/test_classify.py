"""What DingTalk's answer to a reply means: shown, not shown, perhaps next time, or nobody knows."""

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.worker.delivery.classify import MAX_RESPONSE_BYTES, classify, parse_object
from dingda.worker.delivery.outcome import (
    Delivered,
    DeliveryOutcome,
    FailureKind,
    Rejected,
    Retry,
    Unknown,
)
from dingda.worker.delivery.post import unpacked
from dingda.worker.services.errcodes import ERRCODES, Meaning

NO_JSON = Unknown("the answer is not a JSON object of at most 16 KiB")
NO_CODE = Unknown("the answer has no errcode")
OK = b'{"errcode":0,"errmsg":"ok"}'


def answered(fields: Any, *, status: int = 200, retry_after_s: float = 0.0) -> DeliveryOutcome:
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return classify(status, retry_after_s, body)


def errcode(code: Any, errmsg: Any = "…") -> DeliveryOutcome:
    return answered({"errcode": code, "errmsg": errmsg})


@pytest.mark.parametrize("code", [0, "0"])
def test_errcode_zero_is_delivered_as_a_number_and_as_a_string(code: Any) -> None:
    assert errcode(code) == Delivered()


@pytest.mark.parametrize("status", [200, 201, 204])
def test_success_is_what_the_errcode_says_whatever_the_2xx(status: int) -> None:
    assert answered({"errcode": 0}, status=status) == Delivered()
    assert answered({"errcode": 300001}, status=status) == Rejected("errcode 300001")


# The codes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [-1, "-1", 34015, 500100, "500100"])
def test_a_busy_dingtalk_is_tried_again(code: Any) -> None:
    assert errcode(code) == Retry(FailureKind.BUSY, f"errcode {int(code)}")


@pytest.mark.parametrize("code", [130101, "130101", 410100, 660026, 90002, 90018])
def test_too_many_messages_are_a_throttle(code: Any) -> None:
    assert errcode(code) == Retry(FailureKind.THROTTLED, f"errcode {int(code)}")


def test_flood_protection_without_an_errcode_is_a_throttle() -> None:
    answer = {"status": 1111, "wait": 5, "source": "x5", "punish": "deny"}
    assert answered(answer) == Retry(FailureKind.THROTTLED, "flood protection")


@pytest.mark.parametrize(
    "code",
    [
        *(34016, 40035, 101002, 310000, 400105, 460101, 430101, 430102, 430103, 430104),
        *(400402, "400402", 400403, 400400, 400499),
    ],
)
def test_what_is_wrong_with_the_content_may_pass_as_a_plainer_text(code: Any) -> None:
    assert errcode(code) == Rejected(f"errcode {int(code)}", content_rejected=True)


@pytest.mark.parametrize(
    "code",
    [
        *(300001, "300001", 300005, 400013, 400101, 400102, 400106, 43002, 43004, 88, 90020, 90030),
        *(430105, 400399, 400500, 12345),
    ],
)
def test_what_is_refused_for_good_is_not_tried_again(code: Any) -> None:
    assert errcode(code) == Rejected(f"errcode {int(code)}")


def test_a_call_that_timed_out_behind_dingtalks_gateway_may_have_been_shown() -> None:
    assert errcode(15) == Unknown("errcode 15")


@pytest.mark.parametrize("code", ERRCODES)
def test_a_code_of_the_table_means_the_same_whatever_the_words(code: int) -> None:
    said = [errcode(code, words) for words in ("…", "系统繁忙，请稍后再试", "限流", "too long")]
    assert said == [said[0]] * 4


def test_there_is_one_code_for_success() -> None:
    assert [code for code, meaning in ERRCODES.items() if meaning is Meaning.SHOWN] == [0]


@pytest.mark.parametrize(
    ("errmsg", "expected"),
    [
        ("系统异常，请稍后再试", Retry(FailureKind.BUSY, "errcode 999999")),
        ("Server is BUSY, try again", Retry(FailureKind.BUSY, "errcode 999999")),
        ("触发限流，请稍后再试", Retry(FailureKind.THROTTLED, "errcode 999999")),
        ("Send Too Fast", Retry(FailureKind.THROTTLED, "errcode 999999")),
        ("message too long", Rejected("errcode 999999", content_rejected=True)),
        ("参数 actionCard --》 title 缺失", Rejected("errcode 999999", content_rejected=True)),
        ("session 不存在", Rejected("errcode 999999")),
        ("", Rejected("errcode 999999")),
        (None, Rejected("errcode 999999")),
        (["限流"], Rejected("errcode 999999")),
    ],
)
def test_of_a_code_that_nobody_knows_the_words_decide(
    errmsg: Any, expected: DeliveryOutcome
) -> None:
    assert errcode(999999, errmsg) == expected


@pytest.mark.parametrize(
    ("sub_code", "expected"),
    [
        ("90018", Retry(FailureKind.THROTTLED, "errcode 90018")),
        (-1, Retry(FailureKind.BUSY, "errcode -1")),
        ("60011", Rejected("errcode 60011")),
        ("0", Rejected("errcode 88")),
        (0, Rejected("errcode 88")),
        ("isp.busy", Rejected("errcode 88")),
        (None, Rejected("errcode 88")),
    ],
)
def test_of_errcode_88_the_sub_code_says_more_and_never_success(
    sub_code: Any, expected: DeliveryOutcome
) -> None:
    assert answered({"errcode": 88, "sub_code": sub_code}) == expected


# What is no verdict -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b'{"errcode":0',
        b"[0]",
        b"0",
        b"null",
        b"\xff\xfe",
        b"[" * 15_000,
        b'{"errcode":0,"pad":"' + b"x" * MAX_RESPONSE_BYTES + b'"}',
    ],
)
def test_an_answer_that_is_no_json_object_leaves_the_outcome_unknown(body: bytes) -> None:
    assert answered(body) == NO_JSON


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"errcode": None},
        {"errcode": "ok"},
        {"errcode": []},
        {"errmsg": "ok"},
        {"success": True},
    ],
)
def test_an_answer_without_an_errcode_leaves_the_outcome_unknown(fields: Any) -> None:
    assert answered(fields) == NO_CODE


@pytest.mark.parametrize(
    "code", ["1e999", "NaN", "0.5", "0.0", "false", '"0.0"', '"0_0"', '" 0"', '"٠"', "[0]"]
)
def test_what_is_no_whole_number_is_not_success(code: str) -> None:
    assert answered(f'{{"errcode": {code}}}'.encode()) == NO_CODE


# HTTP ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_without_time_is_tried_again_when_it_says(status: int) -> None:
    assert answered(b"", status=status) == Retry(FailureKind.BUSY, f"HTTP {status}")
    assert answered(OK, status=status, retry_after_s=7) == Retry(
        FailureKind.BUSY, f"HTTP {status}", 7
    )


@pytest.mark.parametrize("status", [501, 502, 504, 520, 599])
def test_what_a_gateway_in_front_of_dingtalk_says_leaves_the_outcome_unknown(status: int) -> None:
    assert answered({"errcode": 0}, status=status) == Unknown(f"HTTP {status}")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304, 400, 401, 403, 404, 405, 413, 418])
def test_redirects_and_refusals_are_final_whatever_the_body(status: int) -> None:
    assert answered({"errcode": 0}, status=status) == Rejected(f"HTTP {status}")


@given(
    st.integers(100, 999),
    st.floats(0, 1e9),
    st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(["errcode", "sub_code", "errmsg", "punish", "x"]), st.from_type(object)
    ).map(lambda fields: json.dumps(fields, default=str, skipkeys=True).encode()),
)
def test_any_answer_whatever_has_an_outcome(status: int, retry_after_s: float, body: bytes) -> None:
    outcome = classify(status, retry_after_s, body)
    assert isinstance(outcome, Delivered | Retry | Rejected | Unknown)
    if isinstance(outcome, Delivered):
        assert 200 <= status < 300
        assert b"errcode" in body


def test_no_outcome_repeats_what_dingtalk_wrote() -> None:
    outcome = answered({"errcode": 300001, "errmsg": "session=canary does not exist"})
    assert "canary" not in str(outcome)


@pytest.mark.parametrize("size", [MAX_RESPONSE_BYTES, MAX_RESPONSE_BYTES + 1])
def test_an_answer_is_read_up_to_its_bound_and_not_one_byte_further(size: int) -> None:
    body = b"{}" + b" " * (size - 2)
    assert (parse_object(body) is None) is (size > MAX_RESPONSE_BYTES)


# Packed all the same ------------------------------------------------------------------------


def raw_deflate(body: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packing.compress(body) + packing.flush()


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (gzip.compress(OK, mtime=0), "gzip"),
        (gzip.compress(OK, mtime=0), "X-GZIP"),
        (gzip.compress(OK, mtime=0), ""),
        (gzip.compress(OK, mtime=0), "identity"),
        (zlib.compress(OK), "deflate"),
        (zlib.compress(OK, 0), " Deflate "),
        (raw_deflate(OK), "deflate"),
        (OK, "deflate"),
        (OK, "gzip"),
        (OK, "br"),
        (OK, ""),
        (gzip.compress(OK, mtime=0) + b"\0" * 8, "gzip"),
    ],
)
def test_an_answer_is_read_however_it_is_packed(packed: bytes, encoding: str) -> None:
    assert unpacked(packed, encoding) == OK


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw_deflate])
def test_an_answer_whose_packing_breaks_off_or_is_spoilt_is_unknown(pack: Any) -> None:
    packed = pack(OK)
    encoding = "gzip" if pack is gzip.compress else "deflate"
    for cut in range(len(packed)):
        assert answered(unpacked(packed[:cut], encoding)) == NO_JSON
    spoilt = packed[:12] + bytes(byte ^ 0xFF for byte in packed[12:])
    assert answered(unpacked(spoilt, encoding)) == NO_JSON


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_bomb_is_cut_off_at_the_bound(pack: Any) -> None:
    bomb = pack(b" " * 10_000_000)
    assert len(bomb) <= MAX_RESPONSE_BYTES
    text = unpacked(bomb, "deflate")
    assert len(text) == MAX_RESPONSE_BYTES + 1
    assert answered(text) == NO_JSON


@given(st.binary(max_size=100), st.sampled_from(["gzip", "deflate", ""]))
def test_any_bytes_whatever_can_be_unpacked(body: bytes, encoding: str) -> None:
    for candidate in (body, b"\x1f\x8b" + body, b"\x1f\x8b\x08" + body, b"\x78\x9c" + body):
        assert len(unpacked(candidate, encoding)) <= MAX_RESPONSE_BYTES + 1
