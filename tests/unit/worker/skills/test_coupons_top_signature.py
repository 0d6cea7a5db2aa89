"""Calls to TOP are signed as Taobao's documentation and the RFCs say."""

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.worker.skills.coupons.top_signature import SignMethod, sign, signed_text, timestamp

# Taobao: docId 101617.
OFFICIAL = {
    "method": "taobao.item.seller.get",
    "app_key": "12345678",
    "session": "test",
    "timestamp": "2016-01-01 12:00:00",
    "format": "json",
    "v": "2.0",
    "sign_method": "md5",
    "fields": "num_iid,title,nick,price,num",
    "num_iid": "11223344",
}


def test_the_official_example_is_signed_as_documented() -> None:
    assert sign(OFFICIAL, secret="helloworld", method="md5") == "66987CB115214E59E6EC978214934FB8"


def test_the_official_example_is_put_together_as_documented() -> None:
    assert signed_text(OFFICIAL) == (
        "app_key12345678fieldsnum_iid,title,nick,price,numformatjsonmethodtaobao.item.seller.get"
        "num_iid11223344sessiontestsign_methodmd5timestamp2016-01-01 12:00:00v2.0"
    )


@pytest.mark.parametrize(
    ("method", "key", "expected"),
    [
        pytest.param("hmac", "\x0b" * 16, "9294727A3638BB1C13F48EF8158BFC9D", id="RFC 2202, 1"),
        pytest.param(
            "hmac-sha256",
            "\x0b" * 20,
            "B0344C61D8DB38535CA8AFCEAF0BF12B881DC200C9833DA726E9376C2E32CFF7",
            id="RFC 4231, 1",
        ),
    ],
)
def test_the_hmac_methods_are_those_of_the_rfcs(
    method: SignMethod, key: str, expected: str
) -> None:
    assert sign({"Hi": " There"}, secret=key, method=method) == expected


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("hmac", "D56D7858309C31B6251083A874D48273"),
        ("hmac-sha256", "04DB15AD0774D5CFCE2C837DE43E3FCEA9011ED74F3038FB6AB5F3C4CEA119E8"),
    ],
)
def test_the_official_example_stays_signed_the_same_by_the_other_methods(
    method: SignMethod, expected: str
) -> None:
    call = OFFICIAL | {"sign_method": method}
    assert sign(call, secret="helloworld", method=method) == expected


def test_names_are_in_ascii_order() -> None:
    call = {"foo": "1", "bar": "2", "foo_bar": "3", "foobar": "4"}
    assert signed_text(call) == "bar2foo1foo_bar3foobar4"


def test_the_time_is_china_s_wherever_the_machine_stands() -> None:
    assert timestamp(datetime(2016, 1, 1, 4, tzinfo=UTC)) == "2016-01-01 12:00:00"


def hmac_by_definition(name: str, key: bytes, message: bytes) -> str:
    """RFC 2104, from the hash up."""
    block = (hashlib.new(name, key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.new(name, bytes(octet ^ 0x36 for octet in block) + message).digest()
    outer = hashlib.new(name, bytes(octet ^ 0x5C for octet in block) + inner)
    return outer.hexdigest().upper()


def by_definition(call: dict[str, str], secret: str, method: str) -> str:
    text = ""
    for name in sorted(call):
        if name != "sign" and call[name] != "":
            text += name + call[name]
    key, message = secret.encode(), text.encode()
    if method == "md5":
        return hashlib.md5(key + message + key).hexdigest().upper()  # noqa: S324 - the definition
    return hmac_by_definition("md5" if method == "hmac" else "sha256", key, message)


calls = st.dictionaries(st.sampled_from(["sign", "q", "v"]) | st.text("abz_AZ09"), st.text())
methods: st.SearchStrategy[SignMethod] = st.sampled_from(["md5", "hmac", "hmac-sha256"])


@given(call=calls, secret=st.text(max_size=100), method=methods)
def test_a_signature_is_what_the_definition_says(
    call: dict[str, str], secret: str, method: SignMethod
) -> None:
    assert sign(call, secret=secret, method=method) == by_definition(call, secret, method)


@given(call=calls, method=methods, data=st.data())
def test_the_order_empty_values_and_an_old_signature_do_not_count(
    call: dict[str, str], method: SignMethod, data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(call.items()))))
    noisy = shuffled | {"sign": "OLD", "nothing": ""}
    assert sign(noisy, secret="s", method=method) == sign(call, secret="s", method=method)
