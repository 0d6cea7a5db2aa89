"""The commands of `python -m worker` for its operators."""

import argparse
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from redis.asyncio import Redis

from dingda.shared.connections import impatient
from dingda.shared.ledger import Ledger
from dingda.shared.logs import printable
from dingda.shared.queue import JobQueue
from dingda.shared.settings import Settings
from dingda.worker.loading import load_skills
from dingda.worker.operating import (
    find_letter,
    is_working,
    read_status,
    retry_letter,
    show_letter,
    show_letters,
    show_status,
)
from dingda.worker.settings_list import list_settings

_REDIS_TIMEOUT_S = 5.0


def create_parser() -> argparse.ArgumentParser:
    """The command line; without a command the worker works."""
    parser = argparse.ArgumentParser(
        prog="python -m worker", description="Without a command: answer messages."
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("settings", help="list every setting, the skills' own included")
    status = commands.add_parser("status", help="how things stand: totals, queue, workers")
    status.add_argument("--json", action="store_true", help="one JSON object")
    commands.add_parser("alive", help="for health checks: 0 if a worker of this host works")
    dead = commands.add_parser("dead", help="dead letters: list, show, retry or drop them")
    acts = dead.add_subparsers(dest="act", metavar="act", required=True)
    for act, what in (
        ("list", "all of them, the newest first"),
        ("show", "all that is known of one"),
        ("retry", "answer again; refused once the session has closed"),
        ("drop", "take off the list"),
    ):
        parser_of_act = acts.add_parser(act, help=what)
        parser_of_act.add_argument("--json", action="store_true", help="JSON instead of lines")
        if act != "list":
            several = "+" if act != "show" else 1
            parser_of_act.add_argument(
                "ids", nargs=several, metavar="ID", help="its beginning will do"
            )
    return parser


async def run_command(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run a command and print what it finds; returns the process's exit status."""
    if arguments.command == "settings":
        print(list_settings(load_skills(settings.skills)))
        return 0
    async with _ledger(settings) as (redis, ledger, queue):
        if arguments.command == "status":
            status = await read_status(redis, ledger, queue)
            print(show_status(status, as_json=arguments.json))
            return 0
        if arguments.command == "alive":
            host, now = socket.gethostname(), datetime.now(UTC)
            return 0 if await is_working(redis, queue, host=host, now=now) else 1
        return await _dead(arguments, ledger)


async def _dead(arguments: argparse.Namespace, ledger: Ledger) -> int:
    letters = await ledger.dead_letters()
    if arguments.act == "list":
        print(show_letters(letters, as_json=arguments.json, now_s=time.time()))
        return 0
    failures = 0
    for name in arguments.ids:
        letter = find_letter(letters, name)
        if letter is None:
            where = "see: python -m worker dead list"
            print(f"{printable(name)}  fits no dead letter, or several; {where}")
            failures += 1
        elif arguments.act == "show":
            print(show_letter(letter, as_json=arguments.json, now_s=time.time()))
        elif arguments.act == "drop":
            await ledger.drop(letter.id)
            print(f"{printable(letter.id)}  dropped")
        else:
            retried, sentence = await retry_letter(ledger, letter)
            print(sentence)
            failures += not retried
    return min(failures, 1)


@asynccontextmanager
async def _ledger(settings: Settings) -> AsyncIterator[tuple[Redis, Ledger, JobQueue]]:
    redis = impatient(settings.redis_url.get_secret_value(), timeout_s=_REDIS_TIMEOUT_S)
    queue = JobQueue.create(settings.queue, skill_timeout_s=settings.skill_timeout)
    try:
        yield redis, Ledger(redis, queue), queue
    finally:
        await redis.aclose()
