"""DingTalk's cards: to create one, to change what it shows, to let a text on it grow.

Sources: DingTalk's pages on card/instances/createAndDeliver, card/instances and card/streaming.
Each call writes a state under the card's own id, `outTrackId`: repeated, it changes nothing. So
none is claimed, and one whose response was lost is simply made again.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dingda.worker.delivery.outcome import Delivered, FailureKind, Rejected, Retry
from dingda.worker.errors import BackendError, BackendProtocolError
from dingda.worker.services.access_token import OpenAPIRefusedError, RateLimitedError
from dingda.worker.services.openapi import OpenAPI

_INSTANCES = "/v1.0/card/instances"
_STREAMING = "/v1.0/card/streaming"
_USERIDS = 1
"""`userIdType`: every id in a request and in its callbacks is a userid."""
_QPS_PAUSE_S = 2.0
"""How long to wait when there were too many calls in a second: DingTalk counts by the second."""
_ALREADY_THERE = frozenset({"cardAlreadyExist"})
_TOKEN_REFUSED = frozenset({"InvalidAuthentication"})
_UNSAFE = frozenset({"contentUnsafe"})
_PASSING = frozenset({"system.busy", "unknownError"})
_PREFIX = "param."
"""Some of the codes are seen with it, and documented without."""

CardParams = Mapping[str, str]
"""The variables of a card's template. DingTalk takes strings alone: JSON in place of lists and
objects, "1" and "true" of numbers and truth values."""
CardOutcome = Delivered | Retry | Rejected
"""What came of a call: its effect is there, or it is to be repeated, or it never will be."""


@dataclass(frozen=True, slots=True)
class Space:
    """The chat that a card is shown in."""

    conversation_id: str = ""
    """Of a group; or"""
    staff_id: str = ""
    """a person's userid: the single chat with the robot."""

    def to_fields(self, robot_code: str, at: Mapping[str, str], summary: str) -> dict[str, Any]:
        """The part of a request that names the chat, and how the card is announced there.

        Args:
            robot_code: of the robot that shows the card.
            at: the people in a group to notify: their names by their userids.
            summary: what the list of conversations shows.
        """
        space: dict[str, Any] = {"supportForward": True}
        if summary:
            space["lastMessageI18n"] = {"ZH_CN": summary}
        if self.conversation_id:
            deliver = {"robotCode": robot_code, **({"atUserIds": dict(at)} if at else {})}
            return {
                "openSpaceId": f"dtv1.card//IM_GROUP.{self.conversation_id}",
                "imGroupOpenSpaceModel": space,
                "imGroupOpenDeliverModel": deliver,
            }
        return {
            "openSpaceId": f"dtv1.card//IM_ROBOT.{self.staff_id}",
            "imRobotOpenSpaceModel": space,
            "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT", "robotCode": robot_code},
        }


@dataclass(frozen=True, slots=True)
class NewCard:
    """A card to be created, and shown in one chat."""

    out_track_id: str
    """Our own id of it. DingTalk keeps what the first request with it said."""
    template_id: str
    space: Space
    params: CardParams
    summary: str = ""
    """What the list of conversations shows in the place of its text."""
    at: Mapping[str, str] | None = None
    """The people in a group to notify: their names by their userids."""
    route_key: str = ""
    """The registered address that presses are sent to; "" for the Stream connection."""

    def to_body(self) -> bytes:
        """All of it as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def from_body(cls, body: bytes) -> "NewCard":
        """Read what `to_body` made."""
        fields = json.loads(body)
        return cls(**{**fields, "space": Space(**fields["space"])})


class CardApi:
    """The cards of one robot.

    Args:
        openapi: of the application that the robot belongs to.
        robot_code: the robot's.
    """

    def __init__(self, openapi: OpenAPI, *, robot_code: str) -> None:
        self._openapi = openapi
        self._robot_code = robot_code

    async def create(self, card: NewCard) -> CardOutcome:
        """Create a card and show it; one that is there already stays as it is."""
        callback = {"callbackType": "STREAM"}
        if card.route_key:
            callback = {"callbackType": "HTTP", "callbackRouteKey": card.route_key}
        body = {
            "cardTemplateId": card.template_id,
            "outTrackId": card.out_track_id,
            "userIdType": _USERIDS,
            "cardData": {"cardParamMap": dict(card.params)},
            **callback,
            **card.space.to_fields(self._robot_code, card.at or {}, card.summary),
        }
        return await self._write("POST", f"{_INSTANCES}/createAndDeliver", body)

    async def update(
        self,
        out_track_id: str,
        params: CardParams,
        *,
        private: Mapping[str, CardParams] | None = None,
    ) -> CardOutcome:
        """Change variables of a card for everybody; those that are not named stay.

        Args:
            out_track_id: which card.
            params: the variables with their new values.
            private: what single people see instead, by their userids.
        """
        body: dict[str, Any] = {
            "outTrackId": out_track_id,
            "userIdType": _USERIDS,
            "cardData": {"cardParamMap": dict(params)},
            # Without it, DingTalk removes the variables that are not named.
            "cardUpdateOptions": {"updateCardDataByKey": True, "updatePrivateDataByKey": True},
        }
        if private:
            seen = {each: {"cardParamMap": dict(own)} for each, own in private.items()}
            body["privateData"] = seen
        return await self._write("PUT", _INSTANCES, body)

    async def stream(
        self,
        out_track_id: str,
        *,
        guid: str,
        key: str,
        content: str,
        is_finalize: bool = False,
        is_error: bool = False,
    ) -> CardOutcome:
        """Show a text that grows on a card.

        Args:
            out_track_id: which card.
            guid: an id of this frame; the same only where the very same frame is repeated.
            key: the variable of the template that the text is bound to.
            content: the whole text so far, as Markdown.
            is_finalize: whether it is the last frame.
            is_error: whether it ends in a failure.
        """
        body = {
            "outTrackId": out_track_id,
            "guid": guid,
            "key": key,
            "content": content,
            "isFull": True,
            "isFinalize": is_finalize,
            "isError": is_error,
        }
        return await self._write("PUT", _STREAMING, body)

    async def _write(self, method: str, path: str, body: Mapping[str, Any]) -> CardOutcome:
        try:
            fields = await self._openapi.call(method, path, body)
        except OpenAPIRefusedError as error:
            return _outcome_of(error)
        except RateLimitedError as error:
            return Retry(FailureKind.QPS, _reason(error), _QPS_PAUSE_S)
        except BackendProtocolError as error:
            return Retry(FailureKind.BUSY, _reason(error))
        except BackendError as error:
            retry_after_s = getattr(error, "retry_after_s", None) or 0.0
            return Retry(FailureKind.BUSY, _reason(error), retry_after_s)
        return _read(fields)


def _outcome_of(error: OpenAPIRefusedError) -> CardOutcome:
    code = error.code.removeprefix(_PREFIX)
    if code in _ALREADY_THERE:
        return Delivered()
    if code in _TOKEN_REFUSED:
        return Retry(FailureKind.TOKEN, _reason(error))
    if code in _PASSING:
        return Retry(FailureKind.BUSY, _reason(error))
    return Rejected(_reason(error), content_rejected=code in _UNSAFE)


def _read(fields: Mapping[str, Any]) -> CardOutcome:
    """Read a 200, which may still say that nothing was done, or that nobody is shown the card."""
    if fields.get("success") is False:
        return Rejected("card: success is false")
    result = fields.get("result")
    delivered = result.get("deliverResults") if isinstance(result, Mapping) else None
    for each in delivered if isinstance(delivered, list) else ():
        if isinstance(each, Mapping) and each.get("success") is False:
            # Its errorMsg names the chat, so it is not shown.
            return Rejected("card: DingTalk does not show it in this chat")
    return Delivered()


def _reason(error: BackendError) -> str:
    return f"card: {error.reason}"
