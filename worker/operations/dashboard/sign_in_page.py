"""Signing in and out."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dingda.worker.operations.dashboard.access import SESSION_S
from dingda.worker.operations.dashboard.guard import is_tls, read_form, session_cookie
from dingda.worker.operations.dashboard.site import Site, address_of, audit


def routes(site: Site) -> list[Route]:
    """`/sign-in` and `/sign-out`."""
    pages = _SignIn(site)
    return [
        Route("/sign-in", pages.show, methods=["GET"]),
        Route("/sign-in", pages.sign_in, methods=["POST"]),
        Route("/sign-out", pages.sign_out, methods=["POST"]),
    ]


class _SignIn:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._cookie = session_cookie(site.settings.url)

    async def show(self, request: Request) -> Response:
        back = request.query_params.get("next", "/")
        return self._site.render(request, "sign_in.html", back=_own_path(back), problem="")

    async def sign_in(self, request: Request) -> Response:
        form = await read_form(request) or {}
        back = _own_path(form.get("next", ["/"])[0])
        address = address_of(request)
        if self._site.access.must_wait(address):
            return self._refuse(request, back, "too_many", HTTPStatus.TOO_MANY_REQUESTS)
        role, session = self._site.access.sign_in(form.get("password", [""])[0], address)
        if not session:
            audit(request, "tries a wrong password")
            return self._refuse(request, back, "wrong_password", HTTPStatus.FORBIDDEN)
        audit(request, f"signs in to {role.name.lower()}")
        response = RedirectResponse(back, HTTPStatus.SEE_OTHER)
        response.set_cookie(
            self._cookie,
            session,
            max_age=SESSION_S,
            httponly=True,
            secure=is_tls(self._site.settings.url),
            samesite="strict",
        )
        return response

    async def sign_out(self, request: Request) -> Response:
        audit(request, "signs out")
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        response.delete_cookie(
            self._cookie,
            httponly=True,
            secure=is_tls(self._site.settings.url),
            samesite="strict",
        )
        return response

    def _refuse(self, request: Request, back: str, problem: str, status: HTTPStatus) -> Response:
        return self._site.render(request, "sign_in.html", status=status, back=back, problem=problem)


def _own_path(path: str) -> str:
    """A path of this server, or else its first page: `//elsewhere.example` would lead away."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_own and path.isascii() and path.isprintable() else "/"
