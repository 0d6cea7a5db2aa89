"""How the API's endpoints read a request, and how one fails.

An error is `{"error": a short name, "detail": a sentence}`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.robots import UnknownRobotError
from dingda.simulator.errors import CallbackUnansweredError

T = TypeVar("T")

MAX_WAIT_S = 60.0


class ApiError(Exception):
    """A request to the API that fails; `name` is for programs, `detail` for people."""

    def __init__(self, status: HTTPStatus, name: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail


@contextmanager
def as_api_errors() -> Iterator[None]:
    """Raise what keeps a message from the bot as an `ApiError`, in a `with` block."""
    try:
        yield
    except UnknownRobotError as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "request", str(error)) from None
    except CallbackUnansweredError as error:
        raise ApiError(HTTPStatus.BAD_GATEWAY, "gateway", str(error)) from None


def check_is_open(changes: ChangeNotifier) -> None:
    """See that the server is not being stopped, which ends the requests that wait.

    Raises:
        ApiError: if it is.
    """
    if changes.closed:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "closing", "The simulator is being stopped.")


def error_response(_: Request, error: Exception) -> Response:
    """Turn an error into the JSON that clients read."""
    if isinstance(error, ApiError):
        return JSONResponse({"error": error.name, "detail": error.detail}, error.status)
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "internal error"
    return JSONResponse({"error": "http", "detail": detail}, status)


def found(value: T | None) -> T:
    """What belongs to a message.

    Raises:
        ApiError: if there is none, because there is no such message.
    """
    if value is None:
        raise ApiError(
            HTTPStatus.NOT_FOUND,
            "unknown_message",
            "No message has this msgId, or it is so old that it has been forgotten.",
        )
    return value


def check_json(request: Request) -> None:
    """See that a request says that its body is JSON.

    Raises:
        ApiError: if it does not.
    """
    # A web page elsewhere can make a browser POST here, but not as JSON without being asked first.
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "request", "The body must be application/json."
        )


async def read_body(request: Request, parse: Callable[[bytes], T]) -> T:
    """Read a request's JSON body.

    Raises:
        ApiError: if the body is not what it should be; it names the field.
    """
    check_json(request)
    try:
        return parse(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        why = first["msg"].removeprefix("Value error, ")
        raise ApiError(HTTPStatus.BAD_REQUEST, "request", f"{place}: {why}.") from None


def read_flag(request: Request, name: str) -> bool:
    """A parameter of a request that is 0, as if it were left out, or 1.

    Raises:
        ApiError: if it is anything else.
    """
    value = request.query_params.get(name, "0")
    if value not in ("0", "1"):
        raise ApiError(HTTPStatus.BAD_REQUEST, "request", f"{name}: must be 0 or 1.")
    return value == "1"


def read_wait_s(request: Request) -> float:
    """How many seconds a request wants to wait.

    Raises:
        ApiError: if it says so in a wrong way, or wants to wait too long.
    """
    try:
        wait_s = float(request.query_params.get("wait_s", "0"))
    except ValueError:
        wait_s = -1.0
    if not 0 <= wait_s <= MAX_WAIT_S:
        raise ApiError(
            HTTPStatus.BAD_REQUEST, "request", f"wait_s: must be a number from 0 to {MAX_WAIT_S:g}."
        )
    return wait_s
