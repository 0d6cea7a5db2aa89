"""What the bot sends first: messages and cards that answer nothing."""

import secrets
from collections.abc import Callable
from typing import Any

from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.record_store import RecordStore
from dingda.simulator.dingtalk.replies import record_reply
from dingda.simulator.dingtalk.rules import OK
from dingda.simulator.dingtalk.user_message import UserMessage


class BotSends:
    """Shows what the bot sends, each in a record of its own.

    Args:
        records: keep it. The robot is named as in `UserMessage`.
        now_ms: the clock, in ms since 1970.
    """

    def __init__(self, records: RecordStore, *, now_ms: Callable[[], int]) -> None:
        self._records = records
        self._now_ms = now_ms

    def to_person(self, name: str, payload: dict[str, Any], robot: str = "") -> None:
        """Show a message in a person's single chat with a robot."""
        self._begin(_single(name, robot), payload=payload)

    def to_group(self, payload: dict[str, Any], group: str = "", robot: str = "") -> None:
        """Show a message in a group."""
        self._begin(_group(group, robot), payload=payload)

    def card_to_person(self, name: str, out_track_id: str, robot: str = "") -> str:
        """Show a card in a person's single chat with a robot; returns the record's `msg_id`."""
        return self._begin(_single(name, robot), card=out_track_id)

    def card_to_group(self, out_track_id: str, group: str = "", robot: str = "") -> str:
        """Show a card in a group; returns the record's `msg_id`."""
        return self._begin(_group(group, robot), card=out_track_id)

    def _begin(
        self, said: UserMessage, *, payload: dict[str, Any] | None = None, card: str = ""
    ) -> str:
        now_ms = self._now_ms()
        record = Record(
            msg_id=f"{'card' if card else 'push'}{secrets.token_hex(8)}",
            sent_at_ms=now_ms,
            said=said,
            headers={},
            callback={},
            session_expires_ms=now_ms,
            prompted=False,
            card=card,
            replies=(record_reply(payload, OK, after_ms=0),) if payload else (),
        )
        self._records.put(record)
        return record.msg_id


def _single(name: str, robot: str) -> UserMessage:
    return UserMessage("", sender=name, single=True, robot=robot)


def _group(name: str, robot: str) -> UserMessage:
    return UserMessage("", mention=False, group=name, robot=robot)
