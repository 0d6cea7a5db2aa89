"""The part of the simulator's API that holds files.

POST /api/files?name=plot.png   the bytes → {"id"}, for `file` of a message that a user sends
GET  /api/files/{id}            the bytes again
GET  /api/media/{mediaId}       what the bot uploaded
"""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from dingda.simulator.dingtalk.media import MediaStore, StoredFile
from dingda.simulator.http.api_requests import ApiError

_MOST_BYTES = 20 * 1024 * 1024
_BYTES = "application/octet-stream"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
"""What somebody sent is shown as a picture or saved, and never runs as a page of ours."""


def file_api_routes(media: MediaStore) -> list[BaseRoute]:
    """Build the API's routes for files."""
    endpoints = _Endpoints(media)
    return [
        Route("/api/files", endpoints.give, methods=["POST"]),
        Route("/api/files/{file_id}", endpoints.show_given, methods=["GET"]),
        Route("/api/media/{media_id}", endpoints.show_uploaded, methods=["GET"]),
    ]


class _Endpoints:
    def __init__(self, media: MediaStore) -> None:
        self._media = media

    async def give(self, request: Request) -> Response:
        # As in `check_json`: a web page elsewhere could make a browser POST another type.
        if request.headers.get("content-type") != _BYTES:
            raise ApiError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "request", f"The body must be {_BYTES}."
            )
        name, content = request.query_params.get("name", ""), await request.body()
        if not name or not content or len(content) > _MOST_BYTES:
            raise ApiError(
                HTTPStatus.BAD_REQUEST, "request", f"name and up to {_MOST_BYTES} bytes are needed."
            )
        return JSONResponse({"id": self._media.give(name, content)})

    async def show_given(self, request: Request) -> Response:
        return _show(self._media.given(request.path_params["file_id"]))

    async def show_uploaded(self, request: Request) -> Response:
        return _show(self._media.uploaded(request.path_params["media_id"]))


def _show(file: StoredFile | None) -> Response:
    if file is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "unknown_file", "There is no such file any more.")
    is_picture = file.content_type in ("image/png", "image/jpeg", "image/gif", "image/bmp")
    return Response(
        file.content, media_type=file.content_type if is_picture else _BYTES, headers=_HEADERS
    )
