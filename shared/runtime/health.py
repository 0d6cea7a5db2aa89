"""Whether a process is alive and ready, for probes over HTTP.

Alive: its event loop responds. Ready: it does its work, or could. Neither asks other services:
restarting a process, or taking it out of a load balancer, does not bring Redis back.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class Readiness:
    """Whether a process is ready: from `begin` until `stop`."""

    def __init__(self) -> None:
        self._why_not = "starting"

    @property
    def why_not(self) -> str:
        """Why the process is not ready; "" if it is."""
        return self._why_not

    def begin(self) -> None:
        """Be ready from now on."""
        self._why_not = ""

    def stop(self) -> None:
        """Be ready no longer."""
        self._why_not = "stopping"


def missing_skills_details(missing: Sequence[str]) -> dict[str, object]:
    """What `/readyz` tells of modules of skills that can't be loaded; nothing if there are none."""
    return {"skills_missing": list(missing)} if missing else {}


async def _nothing() -> Mapping[str, object]:
    return {}


def health_routes(
    readiness: Readiness, *, details: Callable[[], Awaitable[Mapping[str, object]]] = _nothing
) -> list[Route]:
    """`/healthz`, 200 from a loop that runs; and `/readyz`, 200 while the process is ready, or 503.

    Args:
        readiness: the process's.
        details: what else `/readyz` tells operators; the status does not depend on it.
    """

    async def alive(_: Request) -> JSONResponse:
        return JSONResponse({"alive": True})

    async def ready(_: Request) -> JSONResponse:
        if why := readiness.why_not:
            return JSONResponse({"ready": False, "why": why}, 503)
        return JSONResponse({"ready": True, **await details()})

    return [Route("/healthz", alive), Route("/readyz", ready)]
