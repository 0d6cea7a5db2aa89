r"""DingTalk's callback signature: make it, check it. Pure functions.

The rule is DingTalk's ("receive-message"): `sign` is the base64 of HMAC-SHA256 over
`timestamp + "\n" + appSecret`, with the appSecret as the key, and a timestamp more than an hour
away from now is illegal. The body is *not* covered, so a valid pair vouches for any body.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import lru_cache

from dingda.shared.errors import InvalidSignatureError

WINDOW_MS = 3_600_000
"""How far a timestamp may be from now, either way, in milliseconds (DingTalk: one hour)."""

_TIMESTAMP = re.compile(rb"[0-9]{13}")


def sign(timestamp: str, secret: str) -> str:
    """Sign as DingTalk does.

    Args:
        timestamp: milliseconds since 1970 in decimal digits, as the header carries it.
        secret: the robot's AppSecret.

    Returns:
        The 44 characters of the `sign` header.
    """
    return _sign(timestamp.encode(), secret).decode()


def verify(timestamp: bytes, signature: bytes, *, secrets: Sequence[str], now_ms: int) -> int:
    """Check a callback's two headers, given as the raw bytes that arrived.

    Args:
        timestamp: the `timestamp` header; exactly 13 ASCII digits.
        signature: the `sign` header.
        secrets: every active AppSecret of every robot.
        now_ms: the present, in milliseconds since 1970.

    Returns:
        Which of the secrets signed it, as an index.

    Raises:
        InvalidSignatureError: with a `reason` to count by; nothing in it depends on a secret.
    """
    return _check(timestamp, signature, secrets, now_ms, _sign)


def verify_card_callback(
    timestamp: bytes, signature: bytes, *, secrets: Sequence[str], now_ms: int
) -> int:
    """Check the two headers of a card's callback; args, returns and raises as `verify`.

    Its rule is another ("event-callback-card"): base64 of HMAC-SHA256 over the timestamp alone,
    with the secret that was registered together with the address.
    """
    return _check(timestamp, signature, secrets, now_ms, _sign_card_callback)


def _sign_card_callback(timestamp: bytes, secret: str) -> bytes:
    return b64encode(hmac.digest(secret.encode(), timestamp, "sha256"))


def _check(
    timestamp: bytes,
    signature: bytes,
    secrets: Sequence[str],
    now_ms: int,
    sign_as: Callable[[bytes, str], bytes],
) -> int:
    if not _TIMESTAMP.fullmatch(timestamp):
        raise InvalidSignatureError("timestamp", "the timestamp header must be 13 digits (ms)")
    if abs(now_ms - int(timestamp)) > WINDOW_MS:
        raise InvalidSignatureError("stale", "the timestamp is more than an hour away from now")
    # Every secret is tried, so that the time taken does not tell which one matched; and bytes are
    # compared, because compare_digest raises on a str that is not ASCII.
    matches = [hmac.compare_digest(sign_as(timestamp, secret), signature) for secret in secrets]
    if not any(matches):
        raise InvalidSignatureError("signature", "the sign header is not this robot's")
    return matches.index(True)


def _sign(timestamp: bytes, secret: str) -> bytes:
    keyed = _keyed(secret).copy()
    keyed.update(timestamp + b"\n" + secret.encode())
    return b64encode(keyed.digest())


@lru_cache(maxsize=1024)
def _keyed(secret: str) -> hmac.HMAC:
    """An HMAC to be copied: the key has been taken in, once and not for every callback."""
    return hmac.new(secret.encode(), digestmod="sha256")
