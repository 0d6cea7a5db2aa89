"""What became of every message, by the ledger and by what DingTalk showed."""

from collections import Counter
from dataclasses import dataclass

from redis.asyncio import Redis

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.states import read_outcome
from dingda.shared.queue import JobQueue
from tests.chaos.callers import Callers, SentMessage
from tests.chaos.dingtalk import FaultyDingTalk
from tests.chaos.fault_injector import FaultInjector
from tests.chaos.fleet import Fleet
from tests.support.builders import KEYS

NOTICED_WITHIN_S = 25.0
ACK_P99_S = 1.0
KILLS_A_MINUTE = 100
MESSAGES_A_MINUTE = 5_000
_DIED = "the worker died while sending"


@dataclass(frozen=True)
class ChaosResult:
    """The figures of one run."""

    asked: int
    stored: int
    """Acknowledged as stored."""
    busy: int
    unheard: int
    accepted: int
    lost: int
    """Acknowledged as stored, and not in the ledger."""
    ends: Counter[str]
    """By state, dead letters by `dead: ` and their reason."""
    open: int
    answered_once: int
    answered_unseen: int
    twice: int
    unknown: Counter[str]
    """By `died` or `unheard`; of these ` arrived` at DingTalk, and ` shown`."""
    failed: Counter[str]
    """By the detail of the reason."""
    noticed_s: list[float]
    acks_s: list[float]
    awake_acks_s: list[float]
    unanswered: int
    sums_up: bool

    def faults(self, minutes: float, kills: int) -> list[str]:
        """What misses its target."""
        targets = {
            "messages were answered twice": self.twice == 0,
            "messages have no end": self.open == 0,
            "acknowledged messages are not in the ledger": self.lost == 0,
            "answered messages were never shown": self.answered_unseen == 0,
            "the ledger's sum does not add up": self.sums_up,
            "an abandoned message was noticed late": max(self.noticed_s, default=0)
            <= NOTICED_WITHIN_S,
            "the ack p99 is above a second": percentile(self.acks_s, 0.99) < ACK_P99_S,
            "too few messages": self.accepted >= MESSAGES_A_MINUTE * minutes,
            "too few kills": kills >= KILLS_A_MINUTE * minutes,
        }
        return [fault for fault, met in targets.items() if not met]


async def evaluate(
    redis: Redis, callers: Callers, dingtalk: FaultyDingTalk, *, noticed_s: list[float]
) -> ChaosResult:
    """Compare what was asked, what the ledger holds, and what was shown.

    Args:
        redis: a client that decodes responses.
        callers: what was asked, and how it was acknowledged.
        dingtalk: what was shown.
        noticed_s: after how long each abandoned message was noticed, in seconds.
    """
    records = await _records(redis, callers.asked)
    counts = await LedgerAdmin(redis, JobQueue.create("dingda", skill_timeout_s=30)).counts()
    ends: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    answered_once = answered_unseen = lost = 0
    for asked, (state, reason, detail) in zip(callers.asked, records, strict=True):
        if state is None:
            lost += asked.heard == "stored"
            continue
        ends[f"dead: {reason}" if state == "dead" else state] += 1
        shown = dingtalk.shown[asked.session]
        answered_once += state == "answered" and shown == 1
        answered_unseen += state == "answered" and shown == 0
        if reason == "unknown":
            why = "died" if detail == _DIED else "unheard"
            unknown[why] += 1
            unknown[f"{why} arrived"] += asked.session in dingtalk.arrived
            unknown[f"{why} shown"] += shown > 0
        if reason == "failed":
            failed[detail or ""] += 1
    heard = Counter(asked.heard for asked in callers.asked)
    return ChaosResult(
        asked=len(callers.asked),
        stored=heard["stored"],
        busy=heard["busy"],
        unheard=heard["nothing"],
        accepted=counts.accepted,
        lost=lost,
        ends=ends,
        open=counts.open,
        answered_once=answered_once,
        answered_unseen=answered_unseen,
        twice=sum(times > 1 for times in dingtalk.shown.values()),
        unknown=unknown,
        failed=failed,
        noticed_s=noticed_s,
        acks_s=callers.acks_s,
        awake_acks_s=callers.awake_acks_s,
        unanswered=callers.unanswered,
        sums_up=counts.accepted == sum(ends.values()) + counts.revived and counts.open == 0,
    )


async def _records(redis: Redis, asked: list[SentMessage]) -> list[list[str | None]]:
    """The state, the reason and the detail of each message; of one that ended well, the state."""
    async with redis.pipeline(transaction=False) as pipeline:
        for each in asked:
            pipeline.hmget(KEYS.message(each.id), "state", "reason", "detail")
            pipeline.get(KEYS.ended(each.id))
        found = await pipeline.execute()
    return [
        [state or read_outcome(ended), reason, detail]
        for (state, reason, detail), ended in zip(found[::2], found[1::2], strict=True)
    ]


def percentile(values: list[float], share: float) -> float:
    """The value that so many are below; 0 if there is none."""
    ranked = sorted(values)
    return ranked[min(int(len(ranked) * share), len(ranked) - 1)] if ranked else 0.0


def table(
    result: ChaosResult, *, fleet: Fleet, injector: FaultInjector, dingtalk: FaultyDingTalk
) -> str:
    """The one table that a run prints."""
    unknown = result.unknown
    reasons = ", ".join(f"{reason} ({n})" for reason, n in result.failed.most_common())
    rows = {
        "asked": f"{result.asked}: {result.stored} acknowledged as stored, {result.busy} told "
        f"that the bot is busy, {result.unheard} heard nothing in five deliveries",
        "`kill -9`": f"{fleet.kills} of gateways and workers",
        "SIGSTOP": f"{fleet.freezes} of gateways and workers, up to 27 s",
        "Redis": f"{injector.outages} restarts, outages and freezes, up to 4.5 s",
        "DingTalk": f"{injector.bad_spells} bad spells; {dingtalk.posts} posts",
        "**accepted**": str(result.accepted),
        "**answered once**": str(result.answered_once),
        "**answered twice**": str(result.twice),
        "unmatched, refused": f"{result.ends['unmatched']}, {result.ends['refused']}",
        "dead: failed": f"{result.ends['dead: failed']}: {reasons}" if reasons else "0",
        "dead: expired": str(result.ends["dead: expired"]),
        "dead: unknown, the worker died while sending": f"{unknown['died']}; "
        f"{unknown['died arrived']} had reached DingTalk, {unknown['died shown']} were shown",
        "dead: unknown, DingTalk said nothing of use": f"{unknown['unheard']}; "
        f"{unknown['unheard shown']} were shown (here DingTalk flips a coin)",
        "acknowledged and lost": str(result.lost),
        "**open**": str(result.open),
        "abandoned": f"{len(result.noticed_s)}, each noticed and handed on or ended",
        "**longest time to notice**": f"{max(result.noticed_s, default=0):.1f} s",
        "ack p50, **p99**": f"{percentile(result.acks_s, 0.5) * 1000:.0f} ms, "
        f"{percentile(result.acks_s, 0.99) * 1000:.0f} ms",
        "**longest ack**": f"{max(result.awake_acks_s, default=0) * 1000:.0f} ms; "
        f"{max(result.acks_s, default=0) * 1000:.0f} ms from a gateway that was frozen meanwhile",
        "deliveries whose gateway died or froze": f"{result.unanswered}, delivered again",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(("| what | figure |", "|---|---|", *lines))
