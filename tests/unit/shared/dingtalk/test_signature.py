import hashlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dingda.shared.dingtalk.signature import sign, verify
from dingda.shared.errors import InvalidSignatureError

# Computed with Python's hmac and with openssl; the first three are published elsewhere too.
VECTORS = [
    ("1577262236757", "this is a secret", "DJrE6qdyVGCQz9z5r2MDuNcNAhwYnuAkyj13cx169CA="),
    ("1577262236757", "this is secret", "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM="),
    ("1700000000000", "SEC1234567890abcdef", "RqBq3E1RTBDv3n2QBCh4adZ2WHk9mVklyUoDBLxarjI="),
    (
        "1582163555000",
        "SECb90923e19e58b466481e9e7b7a5b4f108a4531abde590ad3967fb29f0eae5c68",
        "BQKsG+QOCl+bYJOLc6pxDHxjVquzlZPWgvRzeN2J5zY=",
    ),
    ("1577262236757", "SECret", "0v9PziT0z4NI+cwmSfzQCE9YrvtxtjHYKaz/i48sS1U="),
    ("1600000000000", "secret", "XHSnLTbboLLBCrXfAQRHx6W9LkLB43RYwgcsOS2j3vs="),
    ("1577262236757", "密钥", "5PBgly3dxta0pJ+Q6Dqq8xzlNUf1AFVC2DURIYA+7X4="),
]
TOO_SHORT_TO_VERIFY = ("0", "a", "ekckeO/trud6REyjXHHpR4jOwde9tyVih7OOpzhn58Q=")

SECRET = "this is a secret"
SENT_MS = 1_577_262_236_757
HOUR_MS = 3_600_000


def hmac_by_definition(key: bytes, message: bytes) -> bytes:
    """RFC 2104, from the hash up."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in block) + message).digest()
    return hashlib.sha256(bytes(octet ^ 0x5C for octet in block) + inner).digest()


def signature_of(timestamp: bytes, secret: str = SECRET) -> bytes:
    key = secret.encode()
    return b64encode(hmac_by_definition(key, timestamp + b"\n" + key))


@dataclass(frozen=True)
class Request:
    """Two headers, and the world that they arrive in."""

    timestamp: bytes
    signature: bytes
    secrets: Sequence[str] = (SECRET,)
    now_ms: int = SENT_MS

    def accepted_by_reference(self) -> bool:
        if len(self.timestamp) != 13 or not set(self.timestamp) <= set(b"0123456789"):
            return False
        earliest, latest = self.now_ms - HOUR_MS, self.now_ms + HOUR_MS
        if not earliest <= int(self.timestamp) <= latest:
            return False
        return self.signature in {signature_of(self.timestamp, secret) for secret in self.secrets}


def check(request: Request) -> None:
    verify(
        request.timestamp,
        request.signature,
        secrets=request.secrets,
        now_ms=request.now_ms,
    )


def why_refused(request: Request) -> str:
    with pytest.raises(InvalidSignatureError) as refusal:
        check(request)
    return refusal.value.reason


@pytest.mark.parametrize(("timestamp", "secret", "expected"), [*VECTORS, TOO_SHORT_TO_VERIFY])
def test_signs_as_dingtalk_does(timestamp: str, secret: str, expected: str) -> None:
    assert sign(timestamp, secret) == expected


@pytest.mark.parametrize(("timestamp", "secret", "signature"), VECTORS)
def test_accepts_what_dingtalk_signed(timestamp: str, secret: str, signature: str) -> None:
    verify(timestamp.encode(), signature.encode(), secrets=[secret], now_ms=int(timestamp))


@pytest.mark.parametrize(("timestamp", "secret", "signature"), VECTORS)
def test_refuses_what_was_signed_with_another_secret(
    timestamp: str, secret: str, signature: str
) -> None:
    request = Request(timestamp.encode(), signature.encode(), [f"{secret}!"], int(timestamp))
    assert why_refused(request) == "signature"


def test_it_says_which_of_the_secrets_signed() -> None:
    timestamp, secrets = b"%d" % SENT_MS, [f"secret-{number}" for number in range(30)]
    signatures = [signature_of(timestamp, secret) for secret in secrets]
    found = [verify(timestamp, each, secrets=secrets, now_ms=SENT_MS) for each in signatures]
    assert found == list(range(30))


def test_the_signature_counts_in_its_header_form_only() -> None:
    timestamp, secret, signature = VECTORS[1]
    query_form = quote(signature, safe="")
    assert query_form == "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D"
    assert why_refused(Request(timestamp.encode(), query_form.encode(), [secret])) == "signature"


@pytest.mark.parametrize("skew_ms", [0, 1, -1, HOUR_MS, -HOUR_MS])
def test_a_timestamp_may_be_an_hour_away_from_now(skew_ms: int) -> None:
    timestamp = b"%d" % SENT_MS
    check(Request(timestamp, signature_of(timestamp), now_ms=SENT_MS + skew_ms))


@pytest.mark.parametrize("skew_ms", [HOUR_MS + 1, -HOUR_MS - 1, 10**15, -(10**15)])
def test_a_timestamp_further_away_is_stale_in_either_direction(skew_ms: int) -> None:
    timestamp = b"%d" % SENT_MS
    request = Request(timestamp, signature_of(timestamp), now_ms=SENT_MS + skew_ms)
    assert why_refused(request) == "stale"


@pytest.mark.parametrize(
    "timestamp",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"1577262236", id="seconds"),
        pytest.param(b"157726223675", id="one digit short"),
        pytest.param(b"01577262236757", id="padded with a nought"),
        pytest.param(b"1577262236757 ", id="blank behind"),
        pytest.param(b" 1577262236757", id="blank before"),
        pytest.param(b"1577262236757\n", id="line break behind"),
        pytest.param(b" 15772622367 ", id="blanks that make up the length"),
        pytest.param(b"+157726223675", id="plus"),
        pytest.param(b"-157726223675", id="minus"),
        pytest.param(b"1_57726223675", id="underscore"),
        pytest.param(b"157726223675.", id="decimal point"),
        pytest.param(b"1.577262236e9", id="exponent"),
        pytest.param(b"1e12", id="short exponent"),
        pytest.param("１５７７２６２２３６７５７".encode(), id="full-width digits"),
        pytest.param("١٥٧٧٢٦٢٢٣٦٧٥٧".encode(), id="Arabic digits"),
        pytest.param(b"\xff" * 13, id="not text"),
        pytest.param(b"1" * 400, id="400 digits"),
        pytest.param(b"1" * 5000, id="more digits than int() takes"),
    ],
)
def test_a_timestamp_is_thirteen_ascii_digits_even_if_well_signed(timestamp: bytes) -> None:
    assert why_refused(Request(timestamp, signature_of(timestamp))) == "timestamp"


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda right: right[:-1], id="without its padding"),
        pytest.param(lambda right: right + b"=", id="with more padding"),
        pytest.param(lambda right: right + b"\n", id="line break behind"),
        pytest.param(lambda right: b" " + right, id="blank before"),
        pytest.param(bytes.swapcase, id="other case"),
        pytest.param(lambda right: right[:20], id="cut off"),
        pytest.param(lambda _: b"A" * 43 + b"=", id="noughts"),
        pytest.param(lambda _: "签名".encode(), id="not ASCII"),
        pytest.param(lambda _: b"\xff\x00", id="not text"),
        pytest.param(lambda right: right * 2000, id="very long"),
    ],
)
def test_a_signature_that_is_not_quite_right_is_refused(alter: Callable[[bytes], bytes]) -> None:
    timestamp = b"%d" % SENT_MS
    assert why_refused(Request(timestamp, alter(signature_of(timestamp)))) == "signature"


def test_a_signature_is_bound_to_its_timestamp() -> None:
    other = b"%d" % (SENT_MS + 1)
    assert why_refused(Request(b"%d" % SENT_MS, signature_of(other))) == "signature"


@pytest.mark.parametrize("secret", ["old", "new", "密钥"])
def test_every_active_secret_counts_while_one_is_rotated(secret: str) -> None:
    timestamp = b"%d" % SENT_MS
    check(Request(timestamp, signature_of(timestamp, secret), ["old", "new", "密钥"]))


def test_a_retired_secret_does_not_count() -> None:
    timestamp = b"%d" % SENT_MS
    request = Request(timestamp, signature_of(timestamp, "retired"), ["old", "new"])
    assert why_refused(request) == "signature"


def test_without_secrets_nothing_is_accepted() -> None:
    timestamp = b"%d" % SENT_MS
    assert why_refused(Request(timestamp, signature_of(timestamp, ""), [])) == "signature"


def test_a_refusal_tells_nothing_of_the_secret_or_the_right_signature() -> None:
    timestamp = b"%d" % SENT_MS
    with pytest.raises(InvalidSignatureError) as refusal:
        check(Request(timestamp, b"wrong"))
    told = f"{refusal.value} {refusal.value!r} {refusal.value.reason}"
    assert SECRET not in told
    assert signature_of(timestamp).decode() not in told


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Mostly one step away from a right one, for arbitrary bytes are never nearly right."""
    secrets = draw(st.lists(st.text(max_size=100), max_size=3))
    now_ms = draw(st.integers(10**12, 10**13 - 1) | st.integers())
    window = st.integers(-HOUR_MS - 2, HOUR_MS + 2)
    edge = st.sampled_from([-HOUR_MS - 1, -HOUR_MS, HOUR_MS, HOUR_MS + 1])
    near = (window | edge).map(lambda skew_ms: b"%d" % (now_ms + skew_ms))
    timestamp = draw(near | st.from_regex(rb"\A[0-9]{13}\Z") | st.binary())
    right = st.sampled_from([signature_of(timestamp, secret) for secret in [*secrets, "other"]])
    return Request(timestamp, draw(right | st.binary() | right.map(bytes.lower)), secrets, now_ms)


@settings(max_examples=500)
@given(requests())
@example(Request(b"%d" % SENT_MS, signature_of(b"%d" % SENT_MS)))
@example(Request(b"%d" % SENT_MS, "签名".encode()))
@example(Request("１５７７２６２２３６７５７".encode(), b""))
def test_accepts_exactly_what_the_definition_accepts(request: Request) -> None:
    try:
        check(request)
    except InvalidSignatureError:
        accepted = False
    else:
        accepted = True
    assert accepted is request.accepted_by_reference()
