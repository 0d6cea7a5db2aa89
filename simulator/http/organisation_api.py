"""The part of the simulator's API that holds the organisation.

GET /api/organisation   {"members": [{"name", "title", "department", "manager", …}, …]}
PUT /api/organisation   the same, in place of those before; senders are known besides
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dingda.simulator.backends.organisation import SimulatedOrganisation
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.members import Organisation
from dingda.simulator.http.api_requests import read_body

_PATH = "/api/organisation"


def organisation_routes(
    organisation: SimulatedOrganisation, changes: ChangeNotifier
) -> list[BaseRoute]:
    """Build the API's routes for the organisation."""

    async def show(_: Request) -> Response:
        return Response(organisation.chosen.to_json(), media_type="application/json")

    async def choose(request: Request) -> Response:
        organisation.chosen = await read_body(request, Organisation.from_json)
        await changes.announce()
        return await show(request)

    return [Route(_PATH, show, methods=["GET"]), Route(_PATH, choose, methods=["PUT"])]
