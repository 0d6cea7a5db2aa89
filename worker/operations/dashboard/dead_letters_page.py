"""The dead letters: by reason, one by one, and what a retry or a discard would do and has done."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dingda.shared.ledger.states import DeadLetterHead, DeadReason
from dingda.shared.ledger.stored import whole_number
from dingda.worker.operations.dashboard.guard import read_form
from dingda.worker.operations.dashboard.site import Site, audit
from dingda.worker.operations.dead_letters import conversation_of

MOST_GROUPED = 10_000
"""How many dead letters are looked at, the newest first: they are read one by one."""
MOST_AT_ONCE = 500
"""How many are retried or discarded by one click, which the reader waits for."""
A_PAGE = 50


@dataclass(frozen=True, slots=True)
class Group:
    """The dead letters of one reason."""

    reason: str
    count: int
    retryable: int
    """How many have an open session."""
    newest_ms: int
    oldest_ms: int


@dataclass(frozen=True, slots=True)
class Review:
    """What an act would do to the dead letters that were chosen."""

    count: int
    retryable: int
    unknown: int
    """How many retries may show a second reply."""
    first_closes_s: float
    """When the first of the open sessions closes, in seconds from now."""
    left_out: int
    """How many are too many for one act."""


def routes(site: Site) -> list[Route]:
    """The pages under `/dead`."""
    pages = _DeadLetters(site)
    return [
        Route("/dead", pages.show_groups, methods=["GET"]),
        Route("/dead/group", pages.show_group, methods=["GET"]),
        Route("/dead/review", pages.review, methods=["POST"]),
        Route("/dead/act", pages.act, methods=["POST"]),
    ]


def group_by_reason(heads: Iterable[DeadLetterHead]) -> list[Group]:
    """The dead letters by reason, the most frequent first."""
    by_reason: dict[str, list[DeadLetterHead]] = {}
    for head in heads:
        by_reason.setdefault(head.reason, []).append(head)
    groups = [
        Group(
            reason,
            len(members),
            sum(head.can_retry for head in members),
            max(head.ended_ms for head in members),
            min(head.ended_ms for head in members),
        )
        for reason, members in by_reason.items()
    ]
    return sorted(groups, key=lambda group: (-group.count, group.reason))


def review(heads: Sequence[DeadLetterHead]) -> Review:
    """What retrying or discarding these would do."""
    chosen = heads[:MOST_AT_ONCE]
    open_ = [head for head in chosen if head.can_retry]
    return Review(
        count=len(chosen),
        retryable=len(open_),
        unknown=sum(head.reason.startswith(DeadReason.UNKNOWN) for head in open_),
        first_closes_s=min((head.retry_within_ms for head in open_), default=0) / 1000,
        left_out=len(heads) - len(chosen),
    )


class _DeadLetters:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def show_groups(self, request: Request) -> Response:
        heads = await self._site.admin.dead_letter_heads(newest=MOST_GROUPED)
        total = await self._site.admin.dead_letter_count()
        return await self._site.page(
            request,
            "dead_letters.html",
            groups=group_by_reason(heads),
            grouped=len(heads),
            total=total,
        )

    async def show_group(self, request: Request) -> Response:
        reason = request.query_params.get("reason", "")
        heads = await self._of_reason(reason)
        asked = request.query_params.get("page", "1")
        number = max(1, whole_number(asked) or 1)
        first = min((number - 1) * A_PAGE, max(0, len(heads) - 1) // A_PAGE * A_PAGE)
        shown = heads[first : first + A_PAGE]
        letters = await self._site.admin.read_dead_letters(shown)
        return await self._site.page(
            request,
            "dead_letter_group.html",
            reason=reason,
            rows=list(zip(shown, letters, map(conversation_of, letters), strict=True)),
            first=first,
            page_number=first // A_PAGE + 1,
            total=len(heads),
            is_last=first + A_PAGE >= len(heads),
        )

    async def review(self, request: Request) -> Response:
        form = await read_form(request) or {}
        heads = await self._chosen(form)
        if not heads:
            return await self._site.page(request, "dead_letters_none.html")
        return await self._site.page(
            request,
            "dead_letters_review.html",
            is_retry=_is_retry(form),
            review=review(heads),
            most=MOST_AT_ONCE,
            reason=_only(form, "reason"),
            until_ms=_only(form, "until_ms") or heads[0].ended_ms,
            ids=form.get("id", []),
        )

    async def act(self, request: Request) -> Response:
        form = await read_form(request) or {}
        heads = (await self._chosen(form))[:MOST_AT_ONCE]
        if not heads:
            return await self._site.page(request, "dead_letters_none.html")
        is_retry = _is_retry(form)
        ids = [head.id for head in heads]
        # Before the act: it is to be known even if the act is cut short.
        audit(request, f"{'retries' if is_retry else 'discards'} {len(ids)} dead letters", ids)
        act, results = self._retry if is_retry else self._discard, Counter[str]()
        try:
            for message_id in ids:
                results[await act(message_id)] += 1
        finally:  # also where Redis fails half-way
            audit(request, "result: " + ", ".join(f"{n} {what}" for what, n in results.items()))
        return await self._site.page(
            request, "dead_letters_done.html", is_retry=is_retry, results=results
        )

    async def _retry(self, message_id: str) -> str:
        return (await self._site.admin.retry_dead_letter(message_id)).value

    async def _discard(self, message_id: str) -> str:
        return "discarded" if await self._site.admin.discard(message_id) else "missing"

    async def _chosen(self, form: dict[str, list[str]]) -> list[DeadLetterHead]:
        """The dead letters that a form names: by id, or all of a reason up to a moment."""
        if ids := form.get("id"):
            return await self._site.admin.heads_of(list(dict.fromkeys(ids)))
        heads = await self._of_reason(_only(form, "reason")) if "reason" in form else []
        until_ms = whole_number(_only(form, "until_ms"))
        # Those that died while the reader decided are not what was decided on.
        return [head for head in heads if until_ms is None or head.ended_ms <= until_ms]

    async def _of_reason(self, reason: str) -> list[DeadLetterHead]:
        heads = await self._site.admin.dead_letter_heads(newest=MOST_GROUPED)
        return [head for head in heads if head.reason == reason]


def _is_retry(form: dict[str, list[str]]) -> bool:
    """Whether a form asks to retry; anything but "discard" does, since that can't be undone."""
    return _only(form, "act") != "discard"


def _only(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]
