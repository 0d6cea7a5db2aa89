"""One message: where it is, how it came there, and what an operator can do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.timeline import MessageTimeline, read_timelines
from dingda.worker.operations.dashboard.site import Site, audit


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a message's way."""

    name: str
    """Which of the pages' texts says it, after `step_`."""
    at_ms: int
    after_s: float | None
    """Seconds since the step before; None for the first."""
    detail: str = ""


def routes(site: Site) -> list[Route]:
    """The pages under `/messages`."""
    pages = _Messages(site)
    return [
        Route("/messages", pages.find, methods=["GET"]),
        Route("/messages/{id}", pages.show, methods=["GET"]),
        Route("/messages/{id}/words", pages.show_words, methods=["POST"]),
    ]


def steps_of(timeline: MessageTimeline) -> list[Step]:
    """The steps of a message, in order; of those that it went through again, the last."""
    found = list(_steps(timeline))
    return [
        Step(name, at_ms, (at_ms - found[n - 1][1]) / 1000 if n else None, detail)
        for n, (name, at_ms, detail) in enumerate(found)
    ]


def _steps(timeline: MessageTimeline) -> Iterator[tuple[str, int, str]]:
    if timeline.accepted_ms:
        yield "accepted", timeline.accepted_ms, ""
    if timeline.leased_ms:
        yield "leased", timeline.leased_ms, timeline.worker
    if timeline.sending_ms:
        yield "sending", timeline.sending_ms, ""
    if timeline.retry_at_ms:
        yield "retry", timeline.retry_at_ms, ""
    if timeline.ended_ms:
        yield "ended", timeline.ended_ms, timeline.state


class _Messages:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def find(self, request: Request) -> Response:
        prefix = request.query_params.get("id", "").strip().lower()
        found = await self._site.admin.find_ids(prefix) if prefix else []
        if len(found) == 1:
            return RedirectResponse(f"/messages/{found[0]}", HTTPStatus.SEE_OTHER)
        return await self._site.page(
            request, "messages.html", prefix=prefix, found=found, asked=bool(prefix)
        )

    async def show(self, request: Request) -> Response:
        return await self._page(request, words=None)

    async def show_words(self, request: Request) -> Response:
        """Show what was written, where the settings allow it; the guard lets only actors here."""
        if not self._site.settings.show_words:
            return PlainTextResponse("DINGDA_DASHBOARD_SHOW_WORDS\n", HTTPStatus.FORBIDDEN)
        message_id = request.path_params["id"]
        audit(request, "reads what was written", [message_id])
        message = _parsed(await self._site.admin.payload(message_id))
        return await self._page(request, words=message.text if message else "")

    async def _page(self, request: Request, *, words: str | None) -> Response:
        message_id = request.path_params["id"]
        timeline = await self._timeline(message_id)
        if timeline is None:
            return await self._site.page(request, "message_gone.html", status=HTTPStatus.NOT_FOUND)
        heads = await self._site.admin.heads_of([message_id])
        return await self._site.page(
            request,
            "message.html",
            id=message_id,
            timeline=timeline,
            steps=steps_of(timeline),
            message=_parsed(await self._site.admin.payload(message_id)),
            retry_within_s=heads[0].retry_within_ms / 1000 if heads else 0.0,
            is_listed=bool(heads),
            words=words,
            words_allowed=self._site.settings.show_words,
        )

    async def _timeline(self, message_id: str) -> MessageTimeline | None:
        (timeline,) = await read_timelines(self._site.redis, self._site.queue, [message_id])
        return timeline


def _parsed(payload: bytes | None) -> Message | None:
    try:
        message = parse_message(payload or b"")
    except InvalidMessageError:
        return None
    return message if isinstance(message, Message) else None
