"""The groups that the bot may speak to by name: by the OpenAPI, or by a custom robot's webhook."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from dingda.shared.dingtalk.message import MAX_ID_CHARS
from dingda.shared.dingtalk.origin import origin_of
from dingda.shared.dingtalk.push import Group, Target
from dingda.shared.errors import InvalidOriginError

_CONVERSATION = "cid"
"""How DingTalk's ids of groups begin."""


@dataclass(frozen=True, slots=True)
class CustomRobotAddress:
    """A custom robot (自定义机器人) of a group: it needs no application, and speaks there alone."""

    webhook: str = field(repr=False)
    """A bearer credential: never log it."""
    secret: str = field(default="", repr=False)
    """`SEC…`, where its security setting is a signature."""


GroupAddress = str | CustomRobotAddress
"""A conversationId, or a custom robot."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups by their names.

    >>> Groups({"ops": "cidAAA=="}).find("ops")
    'cidAAA=='
    """

    addresses: Mapping[str, GroupAddress] = field(default_factory=dict)

    def find(self, name: str) -> GroupAddress | None:
        """The address of a group by its name, or by its conversationId; None if it has neither."""
        is_id = name.startswith(_CONVERSATION)
        return self.addresses.get(name) or (name if is_id else None)

    def goes_by_openapi(self, target: Target) -> bool:
        """Whether what is said to a target takes a call of the OpenAPI."""
        address = self.find(target.name) if isinstance(target, Group) else ""
        return not isinstance(address, CustomRobotAddress)

    def why_not(self, target: Target, *, has_account: bool) -> str:
        """Why nothing can be said to a target; "" if it can, as far as is known.

        Args:
            target: to whom.
            has_account: whether the robot has an account for the OpenAPI.
        """
        if isinstance(target, Group) and self.find(target.name) is None:
            return f"no group has this name: DINGDA_GROUPS has {str(self) or 'none'}"
        if self.goes_by_openapi(target) and not has_account:
            return "DINGDA_APP_KEY is not set, which the OpenAPI needs"
        return ""

    def __str__(self) -> str:
        """Their names alone."""
        return ", ".join(self.addresses)


def read_groups(text: str, *, origins: Collection[str]) -> Groups:
    """Read groups from JSON: names, and a conversationId or a webhook for each.

    Args:
        text: such as `{"ops": "cidAAA==", "all": "https://oapi.dingtalk.com/robot/send?…#SEC…"}`.
            Behind a webhook's # comes its robot's secret.
        origins: the only origins of webhooks.

    Raises:
        ValueError: if it is something else; the error quotes no address.
    """
    try:
        written = json.loads(text)
    except ValueError:
        raise ValueError('write it as JSON: {"ops": "cid…", "all": "https://…"}') from None
    if not isinstance(written, dict):
        raise ValueError("it is an object of JSON: names, and an address for each")  # noqa: TRY004 - as of pydantic's validators
    return Groups({name: _address(name, value, origins) for name, value in written.items()})


def is_webhook(url: str, origins: Collection[str]) -> bool:
    """Whether a URL is a custom robot's webhook, at one of these origins."""
    try:
        return origin_of(url) in origins and "?access_token=" in url
    except InvalidOriginError:
        return False


def _address(name: str, value: object, origins: Collection[str]) -> GroupAddress:
    is_name = name.strip() and len(name) <= MAX_ID_CHARS and "://" not in name
    if not is_name or not isinstance(value, str):
        raise ValueError("each group has a name, and an address that is a string")
    if value.startswith(_CONVERSATION) and value.isprintable() and len(value) <= MAX_ID_CHARS:
        return value
    webhook, _, secret = value.partition("#")
    if not is_webhook(webhook, origins):
        raise ValueError(
            f"{name}: write a conversationId (cid…), or a custom robot's webhook as "
            "https://oapi.dingtalk.com/robot/send?access_token=..., with #SEC... behind it where "
            "it has a secret; its origin must be one of DINGDA_SESSION_WEBHOOK_ORIGINS"
        )
    return CustomRobotAddress(webhook, secret)
