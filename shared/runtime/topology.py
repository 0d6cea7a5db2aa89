"""Checks before the start: is this Redis one that we can use, and what takes over from it?

What a server hides, as managed ones do, is no danger. Each check may raise what redis-py raises.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from redis import Redis
from redis.exceptions import (
    AskError,
    ClusterCrossSlotError,
    ClusterDownError,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from dingda.shared.queue import JobQueue
from dingda.shared.runtime.finding import Finding, Severity
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_sentinel_clients

MAX_LAG_S = 10
"""How far a replica may be behind before a warning, in seconds."""
_REFUSES_SCRIPTS = 7
"""The first Redis whose `min-replicas-to-write` counts for scripts (redis/redis #10160)."""
_ONE_PRIMARY = "use one primary with replicas, with or without Sentinel: docs/operations.md"
_SCRIPT = "return redis.call('EXISTS', unpack(KEYS)) + redis.call('EXISTS', ARGV[1] .. 'none')"
"""Uses keys as our scripts do: several, and one that is not declared."""


def check_kind(client: Redis, queue: JobQueue) -> Finding:
    """Whether it is a primary that runs scripts like ours."""
    # Valkey, and then Redis.
    mode = _stated(client, "server", "server_mode") or _stated(client, "server", "redis_mode")
    role = _stated(client, "replication", "role")
    if mode == "sentinel":
        return _danger("it is a Sentinel", "name it in DINGDA_REDIS_SENTINELS instead")
    if mode == "cluster":
        return _danger(
            "it is a Redis Cluster, over which RQ's and our keys would part", _ONE_PRIMARY
        )
    if role == "slave":
        return _danger(
            "it is a replica, which takes no writes",
            "name its primary, or the Sentinels that know it (DINGDA_REDIS_SENTINELS)",
        )
    try:
        client.eval(_SCRIPT, len(queue.keys), *queue.keys, queue.job_prefix)
    except NoPermissionError:
        raise
    except ResponseError as error:
        return _refusal(error)
    return Finding("redis", Severity.OK, "answers, as a primary" if role else "answers")


def _refusal(error: ResponseError) -> Finding:
    """What a server is that refuses the script."""
    text = str(error).lower()
    if "bad lua script" in text:
        what = "it refuses scripts with keys of their own, as Tair's cluster and proxy editions do"
        return _danger(what, "use Tair's (Redis') standard edition: docs/operations.md")
    in_cluster = isinstance(error, AskError | ClusterCrossSlotError | ClusterDownError)
    if in_cluster or "non local key" in text or "same slot" in text:
        what = f"it refuses scripts as a cluster does ({type(error).__name__})"
        return _danger(what, _ONE_PRIMARY)
    what = f"it does not run our scripts ({type(error).__name__})"
    return Finding(
        "redis", Severity.WARNING, what, "let our user call EVAL, EVALSHA and SCRIPT LOAD"
    )


def check_replicas(client: Redis, *, wanted: int) -> Iterator[Finding]:
    """Whether replicas keep up, and what the primary does without them.

    Args:
        client: of the primary.
        wanted: how many must have a step, as `DINGDA_REDIS_REPLICAS` says.
    """
    if wanted:
        client.wait(0, 1)  # raises if our user may not
    found: Any = client.info("replication")
    if "connected_slaves" not in found:
        yield _warning("replicas", "the server does not say how many it has")
        return
    replicas: list[Any] = [value for name, value in found.items() if _is_replica(name, value)]
    lags = [int(each.get("lag", 0)) for each in replicas if each.get("state") == "online"]
    complaints = list(_complaints(found, lags, wanted))
    if not complaints:
        behind = f", {max(lags)} s behind at the most" if lags else ""
        yield Finding("replicas", Severity.OK, f"{len(lags)} online{behind}; {wanted} waited for")
    yield from complaints
    major, _, _ = _stated(client, "server", "redis_version").partition(".")
    if major.isdigit() and int(major) < _REFUSES_SCRIPTS:
        what = "a Redis before 7 lets scripts write without replicas, whatever it is set to"
        yield _warning("replicas", what, "use Redis 7 or newer, or Valkey")


def _complaints(found: dict[str, Any], lags: Sequence[int], wanted: int) -> Iterator[Finding]:
    if wanted > len(lags):
        what = f"{len(lags)} online, and DINGDA_REDIS_REPLICAS is {wanted}"
        advice = "start more, or lower it: every step waits 0.1 s in vain, and is counted"
        yield _warning("replicas", what, advice)
    if lags and max(lags) > MAX_LAG_S:
        yield _warning("replicas", f"one is {max(lags)} s behind", "look at its log and its load")
    if "min_slaves_good_slaves" not in found:
        what = "the primary writes without any: cut off, it takes what a failover then forgets"
        yield _warning("replicas", what, "set min-replicas-to-write 1, min-replicas-max-lag 10")
    elif not found["min_slaves_good_slaves"]:
        what = "too few keep up, so the primary may refuse to write (NOREPLICAS)"
        yield _warning("replicas", what, "start one, or mend what is between them")


class _Answer(NamedTuple):
    """What one Sentinel says."""

    primary: tuple[str, str] | None
    quorum: str
    """Why it could not have another one elected; "" if it could, or does not say."""


def check_sentinels(address: RedisAddress, *, timeout_s: float) -> list[Finding]:
    """Whether the Sentinels answer, know the primary, and could elect another one.

    Args:
        address: with the Sentinels; without any there is nothing to find.
        timeout_s: how long each may take, in seconds.
    """
    if not address.sentinels:
        return []
    answers = list(_ask_sentinels(address, timeout_s))
    count, silent = len(address.sentinels), len(address.sentinels) - len(answers)
    known = {answer.primary for answer in answers if answer.primary}
    why_not = next((answer.quorum for answer in answers if answer.quorum), "")
    if not answers:
        return [
            _warning("sentinels", f"none of {count} answers", "start them, or correct the list")
        ]
    if not known:
        what = f"none of those that answer watches a primary called {address.master}"
        return [Finding("sentinels", Severity.DANGER, what, "correct DINGDA_REDIS_MASTER")]
    findings = []
    if silent:
        what = f"{silent} of {count} do not answer"
        findings.append(_warning("sentinels", what, "start them: a failover needs most of them"))
    if len(known) > 1:
        findings.append(_warning("sentinels", "they name different primaries"))
    if any(answer.primary is None for answer in answers):
        findings.append(_warning("sentinels", f"some do not watch {address.master}"))
    if why_not:
        findings.append(_warning("sentinels", f"they could elect no other primary: {why_not}"))
    return findings or [Finding("sentinels", Severity.OK, f"{count} answer, and know the primary")]


def _ask_sentinels(address: RedisAddress, timeout_s: float) -> Iterator[_Answer]:
    """What those say that answer."""
    for client in create_sentinel_clients(address, timeout_s=timeout_s):
        with client, suppress(RedisError, OSError):
            named = _sentinel(client, "GET-MASTER-ADDR-BY-NAME", address.master)
            yield _Answer(tuple(named) if named else None, _quorum(client, address.master))


def _quorum(client: Redis, master: str) -> str:
    try:
        _sentinel(client, "CKQUORUM", master)
    except NoPermissionError:
        return ""
    except ResponseError as error:
        return str(error) if str(error).startswith("NOQUORUM") else ""
    return ""


def _sentinel(client: Redis, *command: str) -> Any:
    return client.execute_command("SENTINEL", *command)  # type: ignore[no-untyped-call]


def _stated(client: Redis, section: str, name: str) -> str:
    """A field of INFO; "" if the server does not say."""
    with suppress(ResponseError):
        found: Any = client.info(section)
        return str(found.get(name, ""))
    return ""


def _is_replica(name: str, value: object) -> bool:
    return name.startswith("slave") and name[5:].isdigit() and isinstance(value, dict)


def _danger(what: str, advice: str) -> Finding:
    return Finding("redis", Severity.DANGER, what, advice)


def _warning(name: str, what: str, advice: str = "") -> Finding:
    return Finding(name, Severity.WARNING, what, advice)
