"""The simulator's page, its style and its scripts, all from this folder.

The page knows nothing that the API does not tell it (`simulator.http.api`). It is served with a
Content-Security-Policy that lets no script run but ours; text from a message never becomes HTML.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

_FOLDER = Path(__file__).parent
_STATIC = _FOLDER / "static"

# A reply's pictures are where the reply says; everything else is ours.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def page_routes() -> list[BaseRoute]:
    """The page at `/`, and what it is made of under `/static`."""
    return [Route("/", _show_page, methods=["GET"]), Mount("/static", _Static(directory=_STATIC))]


class _Static(StaticFiles):
    """Files that the browser revalidates each time, so that an upgrade shows at once."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers.update(_HEADERS)
        return response


async def _show_page(_: Request) -> Response:
    return FileResponse(_FOLDER / "index.html", headers=_HEADERS)
