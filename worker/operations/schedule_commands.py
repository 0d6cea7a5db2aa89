"""The commands `dingda schedules` and `dingda schedules run`."""

import secrets

import click
from redis.asyncio import Redis

from dingda.shared.dingtalk.notification import LIFE_MS
from dingda.shared.dingtalk.tick import tick_envelope, tick_payload
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.schedule_facts import ScheduleFacts
from dingda.shared.ledger.schedule_states import read_schedules
from dingda.shared.ledger.schedules import Schedules
from dingda.shared.ledger.states import AcceptResult
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.command_line import FAILED, OK, as_json_option
from dingda.shared.runtime.logs import printable
from dingda.shared.runtime.settings import Settings, load_settings
from dingda.worker.operations.commands import run_on_ledger
from dingda.worker.operations.named_robots import find_robot, robot_option
from dingda.worker.operations.schedules_list import find_schedules, show_schedules

_ID_CHARS = 12


@click.group(invoke_without_command=True)
@as_json_option
@click.pass_context
def schedules(ctx: click.Context, *, as_json: bool) -> int | None:
    """List the schedules and their ticks, or run one now.

    Those that workers have, with the next tick of each, and how the last one ended.
    """
    if ctx.invoked_subcommand:
        return None

    async def show(redis: Redis, _: LedgerAdmin, queue: JobQueue) -> int:
        now_ms = await Schedules(redis, queue).now_ms()
        states = await read_schedules(redis, queue)
        click.echo(show_schedules(states, as_json=as_json, now_ms=now_ms))
        return OK

    return run_on_ledger(show)


@schedules.command("run")
@click.argument("name", metavar="SKILL.FUNCTION")
@robot_option
def run_now(name: str, *, robot_name: str) -> int:
    """Run one now, once, beside its ticks; with several robots, for each that has it."""

    async def run(redis: Redis, _: LedgerAdmin, queue: JobQueue) -> int:
        settings = load_settings()
        code = find_robot(settings.robots, robot_name).code if robot_name else None
        states = await read_schedules(redis, queue)
        found = find_schedules(states, name, code)
        if not found:
            names = ", ".join(sorted({printable(each.facts.name) for each in states})) or "none"
            click.echo(f"No worker has a schedule {printable(name)}; there are: {names}", err=True)
            return FAILED
        return max([await _accept(facts, redis, queue, settings) for facts in found])

    return run_on_ledger(run)


async def _accept(facts: ScheduleFacts, redis: Redis, queue: JobQueue, settings: Settings) -> int:
    """Accept a tick with an identity of its own; returns the exit status."""
    now_ms = await Schedules(redis, queue).now_ms()
    tick = facts.tick(now_ms, run=secrets.token_hex(8))
    envelope = tick_envelope(facts.robot_code, tick, now_ms=now_ms, life_ms=LIFE_MS)
    ledger = Ledger(redis, queue, replicas=settings.redis_replicas)
    (result,) = await ledger.accept(
        [(envelope, tick_payload(facts.robot_code, tick))], backlog_limit=settings.backlog_limit
    )
    short_id = envelope.id[:_ID_CHARS]
    if result is AcceptResult.ACCEPTED:
        click.echo(f"{printable(facts.name)}  accepted: see dingda trace {short_id}")
        return OK
    click.echo(f"{printable(facts.name)}  not accepted: the backlog is at its limit", err=True)
    return FAILED
