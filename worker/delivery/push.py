"""The way of a push: by the OpenAPI, in the robot's name, or by a custom robot of the group."""

from collections.abc import Callable

from redis.exceptions import RedisError

from dingda.shared.dingtalk.groups import CustomRobotAddress, Groups
from dingda.shared.dingtalk.push import Group, Push, Target, User
from dingda.worker.delivery.card_api import Space
from dingda.worker.delivery.custom_robot import CustomRobot
from dingda.worker.delivery.minute_limit import MinuteLimit
from dingda.worker.delivery.outcome import DeliveryOutcome, FailureKind, Rejected, Retry
from dingda.worker.delivery.robot_api import RobotApi
from dingda.worker.delivery.transport import BeforeSend, Transport

_NO_ACCOUNT = "push: DINGDA_APP_KEY is not set, which the OpenAPI needs"


class PushChannel:
    """Sends pushes of one robot.

    Args:
        transport: see `post.create_reply_transport`.
        api: the robot's own; None where there is no account for it: then only groups with a custom
            robot can be spoken to.
        groups: by their names.
        minutes: counts what custom robots say.
        now_ms: the clock, in ms since 1970.
    """

    def __init__(
        self,
        transport: Transport,
        api: RobotApi | None,
        groups: Groups,
        minutes: MinuteLimit,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self._transport = transport
        self._api = api
        self._groups = groups
        self._minutes = minutes
        self._now_ms = now_ms

    def goes_by_openapi(self, target: Target) -> bool:
        """Whether what goes to a target is encoded for the OpenAPI, and counts as a call of it."""
        return self._groups.goes_by_openapi(target)

    def space_of(self, target: Target) -> Space | None:
        """The chat that a card for a target is shown in; None where no card can be."""
        match self._address(target):
            case User(staff_id):
                return Space(staff_id=staff_id)
            case str(conversation_id):
                return Space(conversation_id)
        return None

    def why_not(self, target: Target) -> str:
        """Why nothing can be pushed to a target; "" if it can, as far as is known."""
        why_not = self._groups.why_not(target, has_account=self._api is not None)
        return why_not and f"push: {why_not}"

    async def send(
        self, push: Push, body: bytes, *, before_send: BeforeSend, timeout_s: float
    ) -> DeliveryOutcome:
        """Send a push, once; see `SendChannel.send`.

        Args:
            push: it says to whom.
            body: encoded for the OpenAPI, or for custom robots: see `goes_by_openapi`.
            before_send: claims the right to send.
            timeout_s: seconds until the deadline.
        """
        if reason := self.why_not(push.target):
            return Rejected(reason)
        match self._address(push.target):
            case CustomRobotAddress() as address:
                return await self._by_custom_robot(
                    address, body, before_send=before_send, timeout_s=timeout_s
                )
            case User(staff_id) if self._api:
                return await self._api.send_to_user(
                    staff_id, body, before_send=before_send, timeout_s=timeout_s, what="push"
                )
            case str(conversation_id) if self._api:
                return await self._api.send_to_group(
                    conversation_id, body, before_send=before_send, timeout_s=timeout_s, what="push"
                )
        return Rejected(_NO_ACCOUNT)

    async def _by_custom_robot(
        self,
        address: CustomRobotAddress,
        body: bytes,
        *,
        before_send: BeforeSend,
        timeout_s: float,
    ) -> DeliveryOutcome:
        try:
            wait_s = await self._minutes.take(address.webhook)
        except (RedisError, OSError) as error:
            return Retry(FailureKind.BUSY, f"push: not counted ({type(error).__name__})")
        if wait_s:
            return Retry(FailureKind.BUSY, "push: the custom robot's minute is full", wait_s)
        robot = CustomRobot(
            self._transport, webhook=address.webhook, secret=address.secret, now_ms=self._now_ms
        )
        return await robot.post(body, before_send=before_send, timeout_s=timeout_s)

    def _address(self, target: Target) -> str | CustomRobotAddress | User | None:
        return self._groups.find(target.name) if isinstance(target, Group) else target
