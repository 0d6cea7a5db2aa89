"""Signing a call to TOP, Taobao's open platform (docId 101617). Pure functions."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from dingda.skill import CHINA

SignMethod = Literal["md5", "hmac", "hmac-sha256"]


def sign(parameters: Mapping[str, str], *, secret: str, method: SignMethod) -> str:
    """The signature of a call: upper-case hex.

    Args:
        parameters: all of the call, unencoded; `sign` itself and empty ones do not count.
        secret: the app's AppSecret.
        method: what the parameter `sign_method` says.
    """
    text, key = signed_text(parameters).encode(), secret.encode()
    match method:
        case "md5":
            # The method is Taobao's choice; it is here for apps that are set to it.
            digest = hashlib.md5(key + text + key, usedforsecurity=False).hexdigest()
        case "hmac":
            digest = hmac.new(key, text, hashlib.md5).hexdigest()
        case "hmac-sha256":
            digest = hmac.new(key, text, hashlib.sha256).hexdigest()
    return digest.upper()


def signed_text(parameters: Mapping[str, str]) -> str:
    """What is signed: names and values in the names' ASCII order, with nothing between them."""
    counted = sorted((n, value) for n, value in parameters.items() if value and n != "sign")
    return "".join(name + value for name, value in counted)


def timestamp(now: datetime) -> str:
    """An aware moment as TOP reads it: in GMT+8, at most ten minutes off TOP's own clock."""
    return now.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
