"""Checks that both processes make before they start: could this set-up break a promise?

Each finding has a name. One that is dangerous stops the start unless DINGDA_ALLOW names it.
"""

import logging
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic_settings import BaseSettings
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from dingda.shared.dingtalk.origin import is_loopback
from dingda.shared.errors import SettingsError
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.environment import value_set
from dingda.shared.runtime.finding import Finding, Severity
from dingda.shared.runtime.logs import printable
from dingda.shared.runtime.plain_settings import variables_of
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_blocking_redis
from dingda.shared.runtime.robots_file import robots_files
from dingda.shared.runtime.secret_files import (
    is_world_readable,
    place_of,
    read_secret,
    secret_files,
)
from dingda.shared.runtime.settings import Danger, Settings, unknown_names
from dingda.shared.runtime.topology import check_kind, check_replicas, check_sentinels

logger = logging.getLogger(__name__)

MAX_SKEW_S = 30.0
"""How far our clock may be from Redis's before a warning, in seconds."""
_SHORTEST_SECRET = 16
_OLDEST_REDIS = (6, 2, 0)
"""With LMOVE, SET … PXAT and the like: nothing works on an older one."""
_TIMEOUT_S = 1.0
_ROBOTS = "DINGDA_ROBOTS"


def run_preflight(settings: Settings, *, checks_names: bool = True) -> None:
    """Log what is not as it should be, a line each.

    Args:
        settings: those of the process.
        checks_names: whether to look for names that nothing reads; the worker does that itself,
            once it has its skills.

    Raises:
        SettingsError: if there is a danger that DINGDA_ALLOW does not name.
    """
    checked = check(settings, names=() if checks_names else None)
    findings = [each for each in checked if each.severity is not Severity.OK]
    for finding in findings:
        logger.warning("%s", finding)
    forbidden = [each for each in findings if is_forbidden(each, settings)]
    if forbidden:
        lines = list(map(str, forbidden))
        if all(finding.name in get_args(Danger) for finding in forbidden):
            names = ",".join(finding.name for finding in forbidden)
            lines.append(f"To start all the same: DINGDA_ALLOW={names}")
        raise SettingsError("\n".join(lines))


def warn_of_misspelt(kind: type[BaseSettings]) -> None:
    """Log the names with the prefix of a class of settings that the class does not read."""
    prefix = kind.model_config.get("env_prefix", "")
    for name, meant in unknown_names(also=variables_of(kind)).items():
        if name.startswith(prefix):
            guess = f"; did you mean {meant}?" if meant else ""
            logger.warning("nothing reads %s%s", printable(name), guess)


def is_forbidden(finding: Finding, settings: Settings) -> bool:
    """Whether a finding stops the start."""
    return finding.severity is Severity.DANGER and finding.name not in settings.allow


def check(settings: Settings, *, names: Collection[str] | None = ()) -> list[Finding]:
    """Check the settings and Redis; each call to Redis takes a second at the most.

    Args:
        settings: those of the process.
        names: names of settings that are read besides the bot's own; None: names are not checked.
    """
    address = settings.redis_address
    # A Redis before 6 knows no other protocol, and shall say that it is so old.
    with create_blocking_redis(address, timeout_s=_TIMEOUT_S, protocol=2) as client:
        return [
            *([] if names is None else [check_names(names)]),
            _secret(settings),
            *_secret_files(),
            _origins(settings),
            _open_redis(address),
            *check_sentinels(address, timeout_s=_TIMEOUT_S),
            *_redis(client, settings),
        ]


def warn_of_unknown(also: Collection[str]) -> None:
    """Log the names that `check_names` finds, if there are any."""
    names = check_names(also)
    if names.severity is not Severity.OK:
        logger.warning("%s", names)


def check_names(also: Collection[str] = ()) -> Finding:
    """Look for names `DINGDA_…` that nothing reads.

    Args:
        also: names that are read besides the bot's own; see `unknown_names`.
    """
    unknown = unknown_names(also=also)
    if not unknown:
        return Finding("settings", Severity.OK, "every DINGDA_ name is known")
    shown = (
        f"{printable(name)} (did you mean {meant}?)" if meant else printable(name)
        for name, meant in unknown.items()
    )
    what = f"nothing reads {', '.join(shown)}"
    advice = "correct the name, or leave it out unless a skill of yours reads it"
    return Finding("settings", Severity.WARNING, what, advice)


def _secret(settings: Settings) -> Finding:
    robots = settings.robots
    short = [robot for robot in robots if any(len(s) < _SHORTEST_SECRET for s in robot.secrets)]
    if short:
        labels = ", ".join(robot.label for robot in short)
        which = "DINGDA_APP_SECRET" if robots.takes_any_code else f"a secret of {labels}"
        what = f"{which} is shorter than {_SHORTEST_SECRET} characters"
        return Finding("secret", Severity.WARNING, what, "DingTalk's own have 64: copy it whole")
    count = len(settings.secrets)
    what = f"{count} set" if count else "none set: enough for most workers, and for no gateway"
    return Finding("secret", Severity.OK, what)


def _secret_files() -> Iterator[Finding]:
    """Which files of secrets anybody on the machine may read; that they can be read is known."""
    for variable, path in (secret_files() | _robots_files()).items():
        if is_world_readable(path):
            what = (
                f"anybody on this machine may read {printable(str(path))}, of {printable(variable)}"
            )
            advice = "chmod 600 (in Kubernetes, defaultMode: 0400)"
            yield Finding("secret-files", Severity.WARNING, what, advice)


def _robots_files() -> dict[str, Path]:
    """The files that DINGDA_ROBOTS names, and those that its entries name."""
    place = place_of(_ROBOTS)
    value = read_secret(_ROBOTS, place) if isinstance(place, Path) else value_set(_ROBOTS)
    return robots_files(value.strip()) if value.strip() else {}


def _origins(settings: Settings) -> Finding:
    name = "http-origin"
    for origin in settings.session_webhook_origins:
        url = urlsplit(origin)
        if url.scheme != "https" and not is_loopback(url.hostname):
            what = f"replies to {origin} travel unencrypted, and with them the session's token"
            advice = "use https in DINGDA_SESSION_WEBHOOK_ORIGINS"
            return Finding(name, Severity.DANGER, what, advice)
    return Finding(name, Severity.OK, "replies go to https, or stay on this machine")


def _open_redis(address: RedisAddress) -> Finding:
    name, url = "open-redis", urlsplit(address.url)
    # Sentinels on this machine may know a primary elsewhere, but only tests have them there.
    hosts: list[str | None] = [host for host, _ in address.sentinels]
    hosts = hosts or [url.hostname]
    if url.scheme != "redis" or url.password or all(map(is_loopback, hosts)):
        return Finding(name, Severity.OK, "has a password or TLS, or is on this machine")
    host = address.master or url.hostname
    what = f"{host} is reached without a password or TLS; whoever can write to it is the bot"
    advice = "set a password (and TLS outside a private network), see docs/security.md"
    return Finding(name, Severity.DANGER, what, advice)


def _redis(client: Redis, settings: Settings) -> Iterator[Finding]:
    """Ask Redis; what it does not let us see is a finding, and what we can't ask is none."""
    try:
        client.ping()
    except (RedisError, OSError) as error:
        advice = "start it, or set DINGDA_REDIS_URL; until then no message is stored or answered"
        yield Finding("redis", Severity.WARNING, f"no answer ({type(error).__name__})", advice)
        return
    queue = JobQueue.create(settings.queue, skill_timeout_s=1)
    checks: list[Callable[[], Iterable[Finding]]] = [
        lambda: [check_kind(client, queue)],
        lambda: [_version(client)],
        lambda: [_eviction(client)],
        lambda: [_append_only(client)],
        lambda: [_clock(client)],
        lambda: [_one_queue(client, queue)],
    ]
    if settings.redis_replicas or settings.redis_sentinels:
        checks.append(lambda: check_replicas(client, wanted=settings.redis_replicas))
    for each in checks:
        try:
            findings = list(each())
        except ResponseError as error:
            what = f"Redis does not say ({type(error).__name__})"
            advice = "grant +info, +time, +wait and what docs/security.md lists"
            findings = [Finding("redis-rights", Severity.WARNING, what, advice)]
        except (RedisError, OSError) as error:
            yield Finding("redis", Severity.WARNING, f"went away ({type(error).__name__})")
            return
        yield from findings
        if any(found.name == "redis" and found.severity is Severity.DANGER for found in findings):
            return  # a Redis of another kind; what else it says would mislead


def _version(client: Redis) -> Finding:
    try:
        server: Any = client.info("server")
    except ResponseError:
        # RQ takes a Redis that it may not ask for an old one (`rq.utils.get_version`).
        what = "RQ can't see Redis's version, and takes jobs in a way that a crash can lose a while"
        return Finding("redis-version", Severity.WARNING, what, "let our user call INFO: +info")
    stated = str(server.get("redis_version", ""))
    version = tuple(int(part) for part in re.findall(r"\d+", stated)[:3])
    if version >= _OLDEST_REDIS:
        return Finding("redis-version", Severity.OK, printable(stated))
    what = f"Redis is {printable(stated) or 'of an unknown version'}, which lacks what we need"
    return Finding("redis-version", Severity.DANGER, what, "use Redis 6.2 or newer, or Valkey")


def _eviction(client: Redis) -> Finding:
    memory: Any = client.info("memory")
    policy, limit = str(memory.get("maxmemory_policy", "noeviction")), int(memory["maxmemory"])
    if policy == "noeviction":
        return Finding("eviction", Severity.OK, policy)
    severity = Severity.DANGER if limit else Severity.WARNING
    what = f"the policy is {policy}: a full Redis would silently drop messages"
    return Finding("eviction", severity, what, "set maxmemory-policy noeviction")


def _append_only(client: Redis) -> Finding:
    persistence: Any = client.info("persistence")
    if int(persistence.get("aof_enabled", 0)):
        return Finding("append-only", Severity.OK, "on")
    what = "the append-only file is off: a restart of Redis forgets what was acknowledged"
    return Finding("append-only", Severity.WARNING, what, "set appendonly yes")


def _clock(client: Redis) -> Finding:
    seconds, microseconds = client.time()
    skew_s = time.time() - (seconds + microseconds / 1e6)
    if abs(skew_s) <= MAX_SKEW_S:
        return Finding("clock", Severity.OK, f"{skew_s:+.1f} s from Redis's")
    what = f"our clock is {skew_s:+.0f} s from Redis's"
    return Finding("clock", Severity.WARNING, what, "keep both with NTP: signatures last an hour")


def _one_queue(client: Redis, queue: JobQueue) -> Finding:
    """RQ takes jobs from two queues with BLPOP, which a crash can lose for a while."""
    members: Any = client.smembers(queue.workers_key)
    for worker in sorted(members):
        listened: Any = client.hget(worker, "queues")
        if listened and b"," in listened:
            what = f"{_shown(worker)} listens to several queues ({_shown(listened)})"
            return Finding("queue", Severity.WARNING, what, "let each worker listen to one")
    return Finding("queue", Severity.OK, f"exactly one: {queue.name}")


def _shown(stored: bytes) -> str:
    return printable(stored.decode("utf-8", "replace"))
