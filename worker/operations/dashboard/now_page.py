"""The first page: what the bot does just now; pause and resume."""

from http import HTTPStatus

from rq.suspension import WORKERS_SUSPENDED
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dingda.shared.ledger.histograms import BUCKETS_S
from dingda.worker.operations.dashboard.site import Site, audit
from dingda.worker.operations.readings import Observer

QUANTILES = (0.5, 0.95, 0.99)
_CHART_WIDTH, _CHART_HEIGHT = 240, 36
_LEAST_CHART_MS = 60_000


def routes(site: Site, observer: Observer) -> list[Route]:
    """`/`, `/pause` and `/resume`."""
    pages = _Now(site, observer)
    return [
        Route("/", pages.show, methods=["GET"]),
        Route("/pause", pages.pause, methods=["POST"]),
        Route("/resume", pages.resume, methods=["POST"]),
    ]


def chart_points(rates: list[tuple[int, float]]) -> str:
    """The points of an SVG polyline: the oldest at the left, the most at the top."""
    most = max((rate for _, rate in rates), default=0.0) or 1.0
    newest_ms, span_ms = rates[-1][0] if rates else 0, chart_ms(rates)
    return " ".join(
        f"{_CHART_WIDTH * (1 - (newest_ms - at_ms) / span_ms):.1f},"
        f"{_CHART_HEIGHT - 1 - (_CHART_HEIGHT - 2) * rate / most:.1f}"
        for at_ms, rate in rates
    )


def chart_ms(rates: list[tuple[int, float]]) -> int:
    """How long the chart is: as long as there are readings, and a minute at the least."""
    return max(_LEAST_CHART_MS, rates[-1][0] - rates[0][0] if rates else 0)


class _Now:
    def __init__(self, site: Site, observer: Observer) -> None:
        self._site = site
        self._observer = observer

    async def show(self, request: Request) -> Response:
        reading, recent = await self._observer.read(), self._observer.recent
        rates = recent.rates()
        return self._site.render(
            request,
            "now.html",
            is_suspended=reading.is_suspended,
            now=reading,
            accepted_per_s=recent.accepted_per_s(),
            chart=chart_points(rates),
            chart_s=chart_ms(rates) / 1000,
            most_per_s=max((rate for _, rate in rates), default=0.0),
            ends=recent.ends(),
            window_s=recent.window_s(),
            stages={
                stage: (histogram.count, [histogram.quantile(q) for q in QUANTILES])
                for stage, histogram in recent.histograms().items()
            },
            longest_s=BUCKETS_S[-1],
        )

    async def pause(self, request: Request) -> Response:
        audit(request, "suspends the workers")
        # As `rq suspend` does.
        await self._site.redis.set(WORKERS_SUSPENDED, 1)
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)

    async def resume(self, request: Request) -> Response:
        audit(request, "resumes the workers")
        await self._site.redis.delete(WORKERS_SUSPENDED)
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
