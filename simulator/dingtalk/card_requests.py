"""What the card APIs are asked, read as DingTalk reads it.

Facts: DingTalk's pages on createAndDeliver, card/instances, card/streaming and callbacks/register,
and what their callers report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dingda.simulator.dingtalk.card import CallbackKind, SpaceKind

MOST_CONTENT = 20_000
"""Code points of one frame; more are refused."""
SPACES: Mapping[SpaceKind, tuple[str, str]] = {
    "IM_GROUP": ("imGroupOpenSpaceModel", "imGroupOpenDeliverModel"),
    "IM_ROBOT": ("imRobotOpenSpaceModel", "imRobotOpenDeliverModel"),
}
"""Kind of space → its models in a request."""
_SPACE_PREFIX = "dtv1.card//"

Params = dict[str, str]
_Need = Literal["space", "deliver"]


class CardRefusedError(Exception):
    """DingTalk's refusal of a request; `code` is for programs, the text for people."""

    def __init__(self, code: str, message: str = "", *, status: int = 400) -> None:
        super().__init__(message or code)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Creation:
    """A card to be."""

    out_track_id: str
    template_id: str
    data: Params
    private: dict[str, Params]
    callback: CallbackKind
    callback_route_key: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where a card is to be delivered."""

    kind: SpaceKind
    id: str
    robot_code: str
    """The group's; "" in a single chat, where it may be left out."""
    notified: tuple[str, ...]
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Update:
    """New values of a card's variables."""

    data: Params | None
    private: dict[str, Params]
    by_key: bool
    """Whether other public variables keep their values."""
    private_by_key: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a stream."""

    out_track_id: str
    guid: str
    key: str
    content: str
    is_full: bool
    is_final: bool
    is_error: bool


def read_creation(fields: Mapping[str, Any]) -> Creation:
    """Read what is to be created.

    Raises:
        CardRefusedError: as DingTalk refuses it; so of the other readers.
    """
    if not isinstance(fields.get("cardData"), dict):
        raise CardRefusedError("param.cardPublicDataEmpty")
    callback = str(fields.get("callbackType") or "")
    return Creation(
        out_track_id=read_out_track_id(fields),
        template_id=_needed(fields, "cardTemplateId"),
        data=_params(fields["cardData"]),
        private=_private(fields),
        callback="HTTP" if callback == "HTTP" else "STREAM" if callback == "STREAM" else "",
        callback_route_key=str(fields.get("callbackRouteKey") or ""),
    )


def read_out_track_id(fields: Mapping[str, Any]) -> str:
    """Read which card is meant."""
    return _needed(fields, "outTrackId")


def read_targets(
    fields: Mapping[str, Any], *, needs: tuple[_Need, ...] = ("space", "deliver")
) -> tuple[Target, ...]:
    """Read where a card is to be delivered.

    Args:
        fields: the request's.
        needs: which of the two models of each space it must hold.
    """
    spaces = _needed(fields, "openSpaceId").split(";")
    return tuple(_target(space, fields, needs) for space in spaces)


def read_update(fields: Mapping[str, Any]) -> Update:
    """Read an update; DingTalk's default overwrites everything."""
    data, private = fields.get("cardData"), _private(fields)
    if not isinstance(data, dict) and not private:
        raise CardRefusedError("cardDataAndPrivateDataBothEmpty")
    options = _object(fields.get("cardUpdateOptions"))
    return Update(
        data=_params(data) if isinstance(data, dict) else None,
        private=private,
        by_key=options.get("updateCardDataByKey") is True,
        private_by_key=options.get("updatePrivateDataByKey") is True,
    )


def read_answer(response: Mapping[str, Any], staff_id: str) -> Update | None:
    """Read the response to a press; None if it changes nothing.

    Its private data have no userid: they are the presser's.
    """
    own = response.get("userPrivateData") or response.get("privateData")
    private = {staff_id: own} if isinstance(own, dict) else {}
    try:
        return read_update({**response, "privateData": private})
    except CardRefusedError:
        return None


def read_frame(fields: Mapping[str, Any]) -> Frame:
    """Read a frame."""
    names = {"outTrackId": "outTrackId", "guid": "guidEmpty", "key": "keyEmpty"}
    for name, error in names.items():
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise CardRefusedError(f"param.stream.{error}")
    content = fields.get("content")
    if not isinstance(content, str):
        raise CardRefusedError("param.stream.contentEmpty")
    if len(content) > MOST_CONTENT:
        raise CardRefusedError("param.stream.content", "content is too large")
    return Frame(
        out_track_id=fields["outTrackId"],
        guid=fields["guid"],
        key=fields["key"],
        content=content,
        is_full=fields.get("isFull") is True,
        is_final=fields.get("isFinalize") is True,
        is_error=fields.get("isError") is True,
    )


def _target(space: str, fields: Mapping[str, Any], needs: tuple[_Need, ...]) -> Target:
    kind, _, id_ = space.removeprefix(_SPACE_PREFIX).partition(".")
    known = next((each for each in SPACES if each == kind), None)
    if not space.startswith(_SPACE_PREFIX) or known is None or not id_:
        raise CardRefusedError("param.openSpaceIdInvalid")
    space_name, deliver_name = SPACES[known]
    model, deliver = _object(fields.get(space_name)), _object(fields.get(deliver_name))
    if "space" in needs and not isinstance(model.get("supportForward"), bool):
        raise CardRefusedError("param.openSpaceModelEmpty")
    if "deliver" in needs and not deliver:
        raise CardRefusedError("param.spaceDeliverModelEmpty")
    if known == "IM_GROUP" and "deliver" in needs and not deliver.get("robotCode"):
        raise CardRefusedError("param.openDeliverModelEmpty", "robotCode is empty")
    recipients = deliver.get("recipients")
    return Target(
        kind=known,
        id=id_,
        robot_code=str(deliver.get("robotCode") or ""),
        notified=tuple(_object(deliver.get("atUserIds"))),
        recipients=tuple(map(str, recipients)) if isinstance(recipients, list) else (),
    )


def _needed(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise CardRefusedError(f"param.{name}Empty")
    return value


def _params(holder: Mapping[str, Any]) -> Params:
    params = holder.get("cardParamMap")
    if not isinstance(params, dict):
        raise CardRefusedError("param.cardPublicDataEmpty")
    if any(not isinstance(value, str) for value in params.values()):
        raise CardRefusedError("MissingStringValue", "cardParamMap holds texts only")
    return params


def _private(fields: Mapping[str, Any]) -> dict[str, Params]:
    holders = _object(fields.get("privateData"))
    return {staff_id: _params(_object(holder)) for staff_id, holder in holders.items()}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
