"""What all pages share: the ledger behind them, the templates, the language, the audit log."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from redis.asyncio import Redis
from rq.suspension import WORKERS_SUSPENDED
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.logs import printable
from dingda.worker.operations import formats
from dingda.worker.operations.dashboard.access import Access, Role
from dingda.worker.operations.dashboard.settings import DashboardSettings
from dingda.worker.operations.dashboard.texts import LANGUAGES, Texts, choose_language

logger = logging.getLogger("dingda.dashboard")

_FOLDER = Path(__file__).parent
_IDS_A_LINE = 20
_LANGUAGE_COOKIE = "dingda_language"
_YEAR_S = 365 * 24 * 3600
_TEMPLATES = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    each.__name__: each
    for each in (
        formats.clock,
        formats.duration,
        formats.iso,
        formats.number,
        formats.outside,
        formats.rate,
        formats.short_id,
        formats.size,
    )
}


@dataclass(frozen=True, slots=True)
class Site:
    """The dashboard of one bot."""

    redis: Redis
    """It decodes responses."""
    admin: LedgerAdmin
    queue: JobQueue
    settings: DashboardSettings
    access: Access

    async def page(
        self, request: Request, template: str, *, status: int = HTTPStatus.OK, **values: Any
    ) -> Response:
        """A page that says so where the workers are suspended.

        Raises:
            RedisError: if Redis can't be asked.
        """
        is_suspended = bool(await self.redis.exists(WORKERS_SUSPENDED))
        return self.render(request, template, status=status, is_suspended=is_suspended, **values)

    def render(
        self,
        request: Request,
        template: str,
        *,
        status: int = HTTPStatus.OK,
        is_suspended: bool = False,
        **values: Any,
    ) -> Response:
        """A page in the language of its reader, put together without Redis.

        A language in the query is the reader's choice, and remembered in a cookie.
        """
        chosen = request.query_params.get("lang", "")
        kept = chosen or request.cookies.get(_LANGUAGE_COOKIE, "")
        language = choose_language(kept, request.headers.get("accept-language", ""))
        html = _TEMPLATES.get_template(template).render(
            t=Texts(language),
            language=language,
            other_language=_in_language(request, _other(language)),
            path=request.url.path,
            is_get=request.method == "GET",
            may_act=request.state.role >= Role.ACT,
            can_sign_in=self.access.can_sign_in,
            can_sign_out=request.state.role > self.access.least,
            somebody_acts=self.access.can_act,
            is_suspended=is_suspended,
            zone=formats.zone(),
            **values,
        )
        response = HTMLResponse(html, status)
        if chosen in LANGUAGES:
            response.set_cookie(
                _LANGUAGE_COOKIE, chosen, max_age=_YEAR_S, httponly=True, samesite="strict"
            )
        return response


def audit(request: Request, act: str, message_ids: Sequence[str] = ()) -> None:
    """Log who did what: the role, the address, the act, the messages.

    Behind a proxy the address is the proxy's: its header could be anybody's invention.
    """
    role, address = request.state.role.name.lower(), address_of(request)
    logger.info("audit: %s at %s: %s", role, address, act)
    for first in range(0, len(message_ids), _IDS_A_LINE):
        ids = " ".join(map(printable, message_ids[first : first + _IDS_A_LINE]))
        logger.info("audit: %s at %s: %s", role, address, ids)


def address_of(request: Request) -> str:
    """The address that a request came from."""
    return request.client.host if request.client else "an unknown address"


def _in_language(request: Request, language: str) -> str:
    """The same page in another language, as a relative address; after a POST the first page."""
    if request.method != "GET":
        return f"/?lang={language}"
    return f"?{request.url.include_query_params(lang=language).query}"


def _other(language: str) -> str:
    return next(each for each in LANGUAGES if each != language)
