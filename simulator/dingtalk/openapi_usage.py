"""How much of DingTalk's quotas is used: the calls of each API in a second, and all in a month."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import TypeAdapter

from dingda.simulator.dingtalk.openapi_faults import NO_OPENAPI_FAULTS, OpenAPIFaults

QPS = 20
"""DingTalk: calls of one API by one application in a second."""
MONTHLY_CALLS = 5000
"""DingTalk: calls of all APIs by an organisation in a month, but for tokens."""
MONTHLY_WEBHOOKS = 3000
"""DingTalk: messages of custom robots in a month."""
_WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class OpenAPIState:
    """What has been called, and what is left.

    >>> OpenAPIState().refused
    0
    """

    calls: int = 0
    """Those that count."""
    monthly_calls: int | None = None
    """The quota of them; None for no limit."""
    webhooks: int = 0
    """Messages of custom robots."""
    monthly_webhooks: int | None = None
    refused: int = 0
    """Calls that came too fast: they don't count."""
    by_api: dict[str, int] | None = None
    """The calls that count, by path."""
    faults: OpenAPIFaults = NO_OPENAPI_FAULTS

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "OpenAPIState":
        """Read what `to_json` wrote."""
        return _ADAPTER.validate_json(body)


_ADAPTER = TypeAdapter(OpenAPIState)


class OpenAPIUsage:
    """Counts calls.

    Args:
        qps: how many one API takes in a second; None for any number.
        monthly_calls: how many there are in a month; None for any number. A simulator is not run
            for longer, so nothing starts again.
        now_s: the clock, in seconds; it never goes back.
    """

    def __init__(
        self, *, qps: int | None, monthly_calls: int | None, now_s: Callable[[], float]
    ) -> None:
        self.qps = qps
        self.monthly_calls = monthly_calls
        self._now_s = now_s
        self._taken_s = defaultdict[str, deque[float]](deque)
        self.by_api = Counter[str]()
        self.refused = 0
        self.webhooks = 0

    def is_too_fast(self, api: str) -> bool:
        """Whether a call comes too fast; if not, the window counts it."""
        if self.qps is None:
            return False
        now_s, taken_s = self._now_s(), self._taken_s[api]
        while taken_s and now_s - taken_s[0] >= _WINDOW_S:
            taken_s.popleft()
        if len(taken_s) >= self.qps:
            self.refused += 1
            return True
        taken_s.append(now_s)
        return False

    def is_used_up(self) -> bool:
        """Whether the month's calls are over."""
        return self.monthly_calls is not None and self.by_api.total() >= self.monthly_calls

    def state(self, faults: OpenAPIFaults) -> OpenAPIState:
        """Tell of it."""
        return OpenAPIState(
            calls=self.by_api.total(),
            monthly_calls=self.monthly_calls,
            webhooks=self.webhooks,
            monthly_webhooks=None if self.monthly_calls is None else MONTHLY_WEBHOOKS,
            refused=self.refused,
            by_api=dict(self.by_api),
            faults=faults,
        )
