"""The part of the simulator's API that writes a message as a test.

GET /api/messages/{msgId}/test   Python, for pytest; see `simulator.dingtalk.export`
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from dingda.simulator.dingtalk.copied import copied_from
from dingda.simulator.dingtalk.export import as_test
from dingda.simulator.dingtalk.media import MediaStore
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.transcript import FindCard
from dingda.simulator.http.api_requests import ApiError, found
from dingda.simulator.inspections import Inspections


def export_routes(
    dingtalk: Simulation,
    media: MediaStore,
    inspections: Inspections,
    find_card: FindCard,
    find_names: Callable[[], Iterable[str]],
) -> list[BaseRoute]:
    """Build the route that writes tests; before that of a record, whose path holds it."""

    async def show(request: Request) -> Response:
        inspections.catch_up()
        msg_id = request.path_params["msg_id"]
        record = found(dingtalk.record(msg_id))
        _check_can_be_copied(record)
        copied = copied_from(
            record, dingtalk.records.since(0), find_card, names=find_names(), host=dingtalk.host
        )
        return PlainTextResponse(as_test(copied, media.given))

    return [Route("/api/messages/{msg_id:path}/test", show, methods=["GET"])]


def _check_can_be_copied(record: Record) -> None:
    if not record.prompted:
        why = "The bot sent this of its own accord: copy the message that it belongs to."
    elif record.story and not record.story.ended:
        why = "The bot is still at work on it: copy it once it has ended."
    else:
        return
    raise ApiError(HTTPStatus.CONFLICT, "not_to_be_copied", why)
