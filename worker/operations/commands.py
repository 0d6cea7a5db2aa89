"""The commands for operators: `status`, `top`, `alive`, `trace`, `metrics`, `dead`."""

import logging
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from functools import partial

import click
import uvicorn
import uvloop
from redis.asyncio import Redis
from redis.exceptions import RedisError

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.journal import read_journal
from dingda.shared.ledger.message_trace import read_message
from dingda.shared.ledger.states import DeadLetter
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.command_line import FAILED, OK, as_json_option
from dingda.shared.runtime.logs import configure_logging, printable
from dingda.shared.runtime.redis_clients import create_bounded_redis
from dingda.shared.runtime.running_demo import join_demo
from dingda.shared.runtime.server import create_uvicorn_config, listen
from dingda.shared.runtime.settings import Settings, load_settings
from dingda.worker.operations.cluster_state import read_cluster_state
from dingda.worker.operations.dead_letters import (
    find_dead_letter,
    retry_dead_letter,
    show_dead_letter,
    show_dead_letters,
)
from dingda.worker.operations.named_robots import labels_of
from dingda.worker.operations.readings import Observer
from dingda.worker.operations.status import NO_WORKERS, is_working, show_status, status_of
from dingda.worker.operations.top import print_once, watch
from dingda.worker.operations.trace import (
    parse_since,
    show_entries,
    show_message,
    why_nothing_fits,
)

logger = logging.getLogger("dingda.worker")

_REDIS_TIMEOUT_S = 5.0
_SCRAPE_TIMEOUT_S = 0.4


@contextmanager
def exiting_without_redis() -> Iterator[None]:
    """End the command with a line in the log if Redis can't be used."""
    try:
        yield
    except RedisError as error:
        logger.error("Redis (DINGDA_REDIS_URL) cannot be used: %s", error)
        raise click.exceptions.Exit(FAILED) from None


@click.command
@as_json_option
def status(*, as_json: bool) -> int:
    """Show the totals, the queue and the workers.

    A worker that is gone is no longer listed after 30 seconds. Exit status: 1 if none is alive.
    """

    async def show(redis: Redis, admin: LedgerAdmin, queue: JobQueue) -> int:
        monthly_calls = load_settings().openapi_monthly_calls
        state = await read_cluster_state(redis, admin, queue)
        found = status_of(state, monthly_calls=monthly_calls)
        click.echo(show_status(found, as_json=as_json))
        if found.workers:
            return OK
        click.echo(NO_WORKERS, err=True)
        return FAILED

    return run_on_ledger(show)


@click.command
@click.option("--once", is_flag=True, help="Print it once, for scripts; so does a pipe.")
def top(*, once: bool) -> int:
    """Show the dashboard's first page in this terminal; q ends it."""

    async def show(redis: Redis, admin: LedgerAdmin, queue: JobQueue) -> int:
        observer = Observer(redis, admin, queue)
        await (print_once if once or not sys.stdout.isatty() else watch)(observer)
        return OK

    return run_on_ledger(show)


@click.command
def alive() -> int:
    """For health checks: exit status 0 if a worker of this host works."""

    async def check(redis: Redis, _: LedgerAdmin, queue: JobQueue) -> int:
        return OK if await is_working(redis, queue, host=socket.gethostname()) else FAILED

    return run_on_ledger(check)


@click.command
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", default=9108, show_default=True, type=click.IntRange(1, 65535), help="The port."
)
def metrics(*, host: str, port: int) -> int:
    """Tell Prometheus what Redis knows of all processes together.

    It serves /metrics until it is told to stop, with or without Redis. Whoever reaches the port can
    read it, so it belongs on no public address. What only one process knows that process tells
    itself, on DINGDA_METRICS_PORT.
    """
    # Loads prometheus_client.
    from dingda.worker.operations.exporter import create_exporter  # noqa: PLC0415

    join_demo("DINGDA_REDIS_URL")
    settings = _load()
    listener = listen(host, port, chosen_with="--port or --host")

    async def serve() -> None:
        async with _admin(settings, timeout_s=_SCRAPE_TIMEOUT_S) as (redis, admin, queue):
            read = partial(read_cluster_state, redis, admin, queue)
            exporter = create_exporter(
                read,
                wanted_replicas=settings.redis_replicas,
                monthly_calls=settings.openapi_monthly_calls,
            )
            logger.info("telling Prometheus on http://%s:%d/metrics", host, port)
            await uvicorn.Server(create_uvicorn_config(exporter)).serve(sockets=[listener])

    with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has shut down
        uvloop.run(serve())
    return OK


def _since(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    try:
        return parse_since(text, datetime.now().astimezone()) if text else None
    except ValueError:
        raise click.BadParameter("write it as 90s, 30m, 2h, 1d or 2026-11-28T10:00") from None


@click.command("trace")
@click.argument("id_prefix", metavar="[ID]", default="")
@click.option("--msg-id", metavar="ID", default="", help="DingTalk's msgId of the message.")
@click.option("--sender", metavar="ID", default="", help="Only a sender's: the staff id.")
@click.option("--conversation", metavar="ID", default="", help="Only a conversation's.")
@click.option("--skill", metavar="NAME", default="", help="Only a skill's.")
@click.option(
    "--since", metavar="WHEN", callback=_since, help="Only later ones: 2h, or 2026-11-28T10:00."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, help="How many (20).")
@as_json_option
def trace_command(  # noqa: PLR0913 - what an operator may know of a message
    *,
    id_prefix: str,
    msg_id: str,
    sender: str,
    conversation: str,
    skill: str,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> int:
    """Show what became of messages.

    Of one, by ID or --msg-id, all that is known: its steps, its skill, the backends that were
    called. Else a line for each that has ended, the newest first. Exit status: 1 if none fits.
    """

    async def show_one(redis: Redis, _: LedgerAdmin, queue: JobQueue) -> int:
        found = await read_message(redis, queue, id_prefix or msg_id)
        if found is None:
            click.echo(await why_nothing_fits(redis, queue), err=True)
            return FAILED
        click.echo(show_message(found, as_json=as_json, labels=labels_of(load_settings().robots)))
        return OK

    async def show_some(redis: Redis, _: LedgerAdmin, queue: JobQueue) -> int:
        entries = await read_journal(
            redis,
            queue,
            since_ms=round(since.timestamp() * 1000) if since else None,
            sender=sender,
            conversation=conversation,
            skill=skill,
            limit=limit,
        )
        if entries or as_json:
            labels = labels_of(load_settings().robots)
            click.echo(show_entries(entries, as_json=as_json, labels=labels))
        if not entries:
            click.echo(await why_nothing_fits(redis, queue), err=True)
        return OK if entries else FAILED

    return run_on_ledger(show_one if id_prefix or msg_id else show_some)


@click.group
def dead() -> None:
    """List, show, retry or drop messages that ended badly."""


_ids_argument = click.argument("ids", nargs=-1, required=True, metavar="ID...")


@dead.command("list")
@as_json_option
def dead_list(*, as_json: bool) -> int:
    """List all of them, the newest first."""

    async def show(_: Redis, admin: LedgerAdmin, __: JobQueue) -> int:
        dead_letters = await admin.dead_letters()
        click.echo(show_dead_letters(dead_letters, as_json=as_json, now_s=time.time()))
        return OK

    return run_on_ledger(show)


@dead.command("show")
@click.argument("id_prefix", metavar="ID")
@as_json_option
def dead_show(id_prefix: str, *, as_json: bool) -> int:
    """Show all that is known of one; the beginning of its id will do."""

    async def show(_: LedgerAdmin, dead_letter: DeadLetter) -> bool:
        click.echo(show_dead_letter(dead_letter, as_json=as_json, now_s=time.time()))
        return True

    return _run_for_each((id_prefix,), show)


@dead.command("retry")
@_ids_argument
def dead_retry(ids: tuple[str, ...]) -> int:
    """Answer some again; refused once the session has closed."""

    async def retry(admin: LedgerAdmin, dead_letter: DeadLetter) -> bool:
        retried, sentence = await retry_dead_letter(admin, dead_letter)
        click.echo(sentence)
        return retried

    return _run_for_each(ids, retry)


@dead.command("drop")
@_ids_argument
def dead_drop(ids: tuple[str, ...]) -> int:
    """Take some off the list."""

    async def drop(admin: LedgerAdmin, dead_letter: DeadLetter) -> bool:
        await admin.discard(dead_letter.id)
        click.echo(f"{printable(dead_letter.id)}  dropped")
        return True

    return _run_for_each(ids, drop)


def _run_for_each(
    id_prefixes: tuple[str, ...], act: Callable[[LedgerAdmin, DeadLetter], Awaitable[bool]]
) -> int:
    """Apply `act` to each dead letter; exit status 1 if one is not found, or `act` fails."""

    async def run(_: Redis, admin: LedgerAdmin, __: JobQueue) -> int:
        dead_letters = await admin.dead_letters()
        done = []
        for prefix in id_prefixes:
            dead_letter = find_dead_letter(dead_letters, prefix)
            if dead_letter is None:
                where = "see: dingda dead list"
                click.echo(f"{printable(prefix)}  fits no dead letter, or several; {where}")
            done.append(dead_letter is not None and await act(admin, dead_letter))
        return OK if all(done) else FAILED

    return run_on_ledger(run)


def run_on_ledger(command: Callable[[Redis, LedgerAdmin, JobQueue], Awaitable[int]]) -> int:
    """Run a command on the ledger, and return its exit status.

    Where the environment names no Redis, the demo's that runs in this folder is used.
    """
    join_demo("DINGDA_REDIS_URL")
    settings = _load()

    async def run() -> int:
        async with _admin(settings) as (redis, admin, queue):
            return await command(redis, admin, queue)

    with exiting_without_redis():
        return uvloop.run(run())


def _load() -> Settings:
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    return settings


@asynccontextmanager
async def _admin(
    settings: Settings, *, timeout_s: float = _REDIS_TIMEOUT_S
) -> AsyncIterator[tuple[Redis, LedgerAdmin, JobQueue]]:
    redis = create_bounded_redis(settings.redis_address, timeout_s=timeout_s)
    queue = JobQueue.create(
        settings.queue,
        skill_timeout_s=settings.skill_timeout,
        result_ttl_s=settings.result_ttl,
    )
    try:
        yield redis, LedgerAdmin(redis, queue), queue
    finally:
        await redis.aclose()
