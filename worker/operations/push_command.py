"""The command `dingda push`: the bot says something that nobody has asked for."""

import secrets
import sys

import click
from redis.asyncio import Redis

from dingda.shared.dingtalk.push import Group, Push, Target, User
from dingda.shared.dingtalk.reply import MAX_TITLE_CHARS, Markdown, Reply, Text
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import AcceptResult
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.shared.runtime.command_line import FAILED, OK
from dingda.shared.runtime.settings import Settings, load_settings
from dingda.worker.operations.commands import run_on_ledger
from dingda.worker.operations.named_robots import find_one, robot_option

_ID_CHARS = 12
_FULL = "not stored: the backlog is at its limit (DINGDA_BACKLOG_LIMIT)"


@click.command
@click.option("--group", metavar="NAME", default="", help="A group of DINGDA_GROUPS, or its id.")
@click.option("--user", metavar="ID", default="", help="A person, by the staff id.")
@click.option("--text", default="", help="What to say; - reads it from standard input.")
@click.option("--markdown", default="", help="The same as Markdown.")
@click.option("--title", default="", help="Markdown's title (its first line).")
@click.option("--key", default="", help="What is said again under the same key is sent once.")
@robot_option
def push(
    *, group: str, user: str, text: str, markdown: str, title: str, key: str, robot_name: str
) -> int:
    """Let the bot say something to a group or a person.

    It is stored as a message is, and a worker sends it. Exit status: 1 if it can't be stored.
    """
    if bool(group) == bool(user):
        raise click.UsageError("name one of --group and --user")
    if bool(text) == bool(markdown):
        raise click.UsageError("say one of --text and --markdown")
    target: Target = Group(group) if group else User(user)
    reply = Text(_read(text)) if text else _markdown(_read(markdown), title)
    said = Push(target, key or secrets.token_hex(16), reply)

    async def store(redis: Redis, _: LedgerAdmin, queue: JobQueue) -> int:
        settings = load_settings()
        ledger = Ledger(redis, queue, replicas=settings.redis_replicas)
        return await _store(said, ledger, settings, find_one(settings.robots, robot_name))

    return run_on_ledger(store)


async def _store(said: Push, ledger: Ledger, settings: Settings, robot: Robot) -> int:
    """Accept a push; returns the exit status."""
    has_account = bool(robot.app_key and robot.secrets)
    if why_not := settings.groups.why_not(said.target, has_account=has_account):
        click.echo(why_not, err=True)
        return FAILED
    envelope = said.envelope(robot.code, now_ms=wall_clock_ms())
    (result,) = await ledger.accept(
        [(envelope, said.to_payload(robot.code))], backlog_limit=settings.backlog_limit
    )
    if result is AcceptResult.FULL:
        click.echo(_FULL, err=True)
        return FAILED
    is_new = result is AcceptResult.ACCEPTED
    became = "stored" if is_new else "there already under this key, so nothing is sent again"
    click.echo(f"{became}: see dingda trace {envelope.id[:_ID_CHARS]}")
    return OK


def _markdown(text: str, title: str) -> Reply:
    first = text.lstrip("#* \n").partition("\n")[0]
    return Markdown(title or first[:MAX_TITLE_CHARS], text)


def _read(text: str) -> str:
    return sys.stdin.read().strip() if text == "-" else text
