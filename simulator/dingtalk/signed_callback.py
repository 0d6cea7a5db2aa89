"""A callback as DingTalk POSTs it: its body, and the headers with the robot's signature."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from dingda.shared.dingtalk.robots import Robot
from dingda.shared.dingtalk.signature import sign
from dingda.simulator.dingtalk.faults import CLOCK_OFF_MS, CallbackFault


@dataclass(frozen=True, slots=True)
class SignedCallback:
    """One callback, ready to be POSTed."""

    msg_id: str
    headers: dict[str, str]
    body: bytes


def signed_headers(robot: Robot, now_ms: int, fault: CallbackFault | None) -> dict[str, str]:
    """Sign a callback of a robot's with its first secret.

    Args:
        robot: whose secret it is.
        now_ms: the current time, in ms since 1970.
        fault: what goes wrong with callbacks at present.
    """
    timestamp = str(now_ms - (CLOCK_OFF_MS if fault is CallbackFault.CLOCK_OFF else 0))
    forged = fault is CallbackFault.WRONG_SIGNATURE
    return {
        "Content-Type": "application/json; charset=utf-8",
        "timestamp": timestamp,
        "sign": sign(timestamp, secrets.token_hex() if forged else robot.secrets[0]),
    }


def body_of(callback: dict[str, Any]) -> bytes:
    """The body of a callback, as compact as DingTalk's."""
    return json.dumps(callback, ensure_ascii=False, separators=(",", ":")).encode()
