"""What DingTalk's response to a reply means for that reply."""

import json
from http import HTTPStatus
from typing import Any

from dingda.worker.delivery.outcome import (
    Delivered,
    DeliveryOutcome,
    FailureKind,
    Rejected,
    Retry,
    Unknown,
)
from dingda.worker.services.errcodes import Meaning, errcode_in, meaning_of

MAX_RESPONSE_BYTES = 16 * 1024


def classify(status: int, retry_after_s: float, body: bytes) -> DeliveryOutcome:
    """Decide the outcome of a delivery by DingTalk's HTTP response.

    Args:
        status: the HTTP status.
        retry_after_s: its Retry-After, in seconds; 0 where there is none.
        body: unpacked, and cut off just beyond `MAX_RESPONSE_BYTES`.
    """
    reason = f"HTTP {status}"
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _classify_body(body)
    if status in (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ):
        # With a 500 DingTalk says that it failed, as with -1; docs/delivery.md says what follows
        # if that is not true.
        return Retry(FailureKind.BUSY, reason, retry_after_s)
    if status > HTTPStatus.INTERNAL_SERVER_ERROR:
        # A gateway in front of DingTalk gave up; the server behind it may have posted.
        return Unknown(reason)
    return Rejected(reason)


def parse_object(body: bytes) -> dict[str, Any] | None:
    """Read a JSON object; None if the body is something else, or was cut off."""
    if len(body) > MAX_RESPONSE_BYTES:
        return None
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _classify_body(body: bytes) -> DeliveryOutcome:
    fields = parse_object(body)
    if fields is None:
        return Unknown("the answer is not a JSON object of at most 16 KiB")
    code = errcode_in(fields)
    if code is None:
        if fields.get("punish"):  # what its flood protection says instead (limits page)
            return Retry(FailureKind.THROTTLED, "flood protection")
        # Also {"success": true}, as from other interfaces of DingTalk: most likely shown.
        return Unknown("the answer has no errcode")
    reason = f"errcode {code}"
    match meaning_of(code, fields.get("errmsg")):
        case Meaning.SHOWN:
            return Delivered()
        case Meaning.BUSY:
            return Retry(FailureKind.BUSY, reason)
        case Meaning.THROTTLED:
            return Retry(FailureKind.THROTTLED, reason)
        case Meaning.UNKNOWN:
            return Unknown(reason)
        case Meaning.CONTENT:
            return Rejected(reason, content_rejected=True)
        case Meaning.FINAL:
            return Rejected(reason)
