"""What each request passes before it reaches a page: whose it is, what it may do, what it gets.

A Content-Security-Policy lets no script run but ours and no form go elsewhere; nothing is cached;
a POST from another site is refused, whatever cookie comes with it.
"""

from http import HTTPStatus
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dingda.shared.dingtalk.origin import origin_of
from dingda.shared.errors import InvalidOriginError
from dingda.worker.operations.dashboard.access import Access, Role

MAX_FORM_BYTES = 64 * 1024
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # With no-referrer, browsers would send "Origin: null" with our own forms (Fetch, 3.2).
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_READING = ("GET", "HEAD")
_FOREIGN = (
    "This request was not made by a page of the dashboard. 这个请求不是由看板的页面发出的。\n"
)
_MAY_NOT_ACT = "Sign in with the password to act first. 请先用操作密码登录。\n"


class Guard:
    """Puts the role of a request into its state, and our headers on every response.

    Args:
        app: the pages.
        access: decides on roles.
        public_url: where browsers find the dashboard; "" where the Host header says so.
    """

    def __init__(self, app: ASGIApp, *, access: Access, public_url: str) -> None:
        self._app = app
        self._access = access
        self._public_origin = origin_of(public_url) if public_url else ""
        self._cookie = session_cookie(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        request = Request(scope)
        request.state.role = self._access.role_of(request.cookies.get(self._cookie, ""))
        refusal = self._refusal(request)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """What a request gets that may not go on; None for one that may."""
        is_reading = request.method in _READING
        if not is_reading and not self._is_from_here(request):
            return PlainTextResponse(_FOREIGN, HTTPStatus.FORBIDDEN)
        needed = Role.READ if is_reading else Role.ACT
        if request.state.role >= needed or is_open_path(request.url.path):
            return None
        if not is_reading:
            return PlainTextResponse(_MAY_NOT_ACT, HTTPStatus.FORBIDDEN)
        back = urlencode({"next": f"{request.url.path}?{request.url.query}"})
        return RedirectResponse(f"/sign-in?{back}", HTTPStatus.SEE_OTHER)

    def _is_from_here(self, request: Request) -> bool:
        """Whether a POST was made by one of our own pages.

        Browsers send Sec-Fetch-Site over TLS and to loopback, and Origin with every POST.
        """
        site, origin = (request.headers.get(name) for name in ("sec-fetch-site", "origin"))
        if site is None and origin is None:
            return False
        return site in ("same-origin", None) and (origin is None or self._is_ours(request, origin))

    def _is_ours(self, request: Request, origin: str) -> bool:
        host = request.headers.get("host", "").lower()
        if origin.lower() in (f"http://{host}", f"https://{host}"):
            return True
        try:
            return origin_of(origin) == self._public_origin
        except InvalidOriginError:
            return False


def session_cookie(public_url: str) -> str:
    """The name of the session's cookie; over TLS browsers hold it to this host alone."""
    return "__Host-dingda" if is_tls(public_url) else "dingda_dashboard"


def is_tls(public_url: str) -> bool:
    """Whether browsers reach the dashboard over TLS."""
    return urlsplit(public_url).scheme == "https"


def is_open_path(path: str) -> bool:
    """Whether a path needs no role: one signs in there, or it is a page's style or script."""
    return path.startswith("/static/") or path in ("/sign-in", "/sign-out")


async def read_form(request: Request) -> dict[str, list[str]] | None:
    """The fields of a form; None if it is too large, or can't be read."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return None
    try:
        return parse_qs(body.decode(), max_num_fields=500)
    except ValueError:
        return None
