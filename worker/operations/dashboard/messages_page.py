"""One message: where it is, how it came there, and what an operator can do about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.journal import JournalEntry, read_journal
from dingda.shared.ledger.message_trace import read_message
from dingda.shared.ledger.timeline import MessageTimeline
from dingda.worker.operations.dashboard.site import Site, audit

MOST_FOUND = 100
_IDS = ("sender", "conversation")
_TIMES = ("since", "until")


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


def moment_ms(typed: str) -> int | None:
    """A field `datetime-local`, in the time zone of this machine; None where it is empty or wrong.

    >>> moment_ms("")
    """
    try:
        return round(datetime.fromisoformat(typed).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


class _Messages:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def find(self, request: Request) -> Response:
        """Lead to the message with an id; else list those that ended and fit the other fields."""
        asked = {name: value.strip() for name, value in request.query_params.items()}
        fields = {name: asked.get(name, "") for name in ("id", *_IDS, *_TIMES)}
        if fields["id"]:
            trace = await read_message(self._site.redis, self._site.queue, fields["id"])
            if trace:
                return RedirectResponse(f"/messages/{trace.id}", HTTPStatus.SEE_OTHER)
        entries = [] if fields["id"] else await self._journal(fields)
        return await self._site.page(
            request, "messages.html", fields=fields, entries=entries, most=MOST_FOUND
        )

    async def _journal(self, fields: Mapping[str, str]) -> list[JournalEntry]:
        return await read_journal(
            self._site.redis,
            self._site.queue,
            since_ms=moment_ms(fields["since"]),
            until_ms=moment_ms(fields["until"]),
            sender=fields["sender"],
            conversation=fields["conversation"],
            limit=MOST_FOUND,
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
        trace = await read_message(self._site.redis, self._site.queue, message_id)
        if trace is None:
            return await self._site.page(request, "message_gone.html", status=HTTPStatus.NOT_FOUND)
        heads = await self._site.admin.heads_of([trace.id])
        message = _parsed(await self._site.admin.payload(trace.id))
        return await self._site.page(
            request,
            "message.html",
            trace=trace,
            timeline=trace.timeline,
            facts=trace.facts,
            steps=steps_of(trace.timeline),
            conversation=message.conversation_title if message else "",
            has_words=message is not None,
            retry_within_s=heads[0].retry_within_ms / 1000 if heads else 0.0,
            is_listed=bool(heads),
            words=words,
            words_allowed=self._site.settings.show_words,
        )


def _parsed(payload: bytes | None) -> Message | None:
    try:
        message = parse_message(payload or b"")
    except InvalidMessageError:
        return None
    return message if isinstance(message, Message) else None
