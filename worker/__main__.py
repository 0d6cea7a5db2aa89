"""`python -m worker`: answer messages until told to stop; or run one of its commands."""

import logging
import os
import sys
from typing import NoReturn

import click
import uvloop
from redis.exceptions import RedisError

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.command_line import FAILED, HELP_OPTIONS, OK
from dingda.shared.runtime.command_line import run as run_command_line
from dingda.shared.runtime.failpoints import warn_of_failpoints
from dingda.shared.runtime.logs import configure_logging, trace
from dingda.shared.runtime.preflight import run_preflight
from dingda.shared.runtime.running_demo import join_demo
from dingda.shared.runtime.settings import Settings, load_settings
from dingda.worker.app import run_worker
from dingda.worker.operations.author_commands import settings
from dingda.worker.operations.commands import (
    alive,
    dead,
    exiting_without_redis,
    metrics,
    status,
    trace_command,
)
from dingda.worker.operations.skill_changes import SkillChanges

logger = logging.getLogger("dingda.worker")


def main() -> int:
    """Do what the command line says; returns the process's exit status."""
    return run_command_line(worker)


@click.group(
    invoke_without_command=True,
    context_settings=HELP_OPTIONS,
    commands=[alive, status, trace_command, metrics, dead, settings],
)
@click.option(
    "--reload",
    is_flag=True,
    help="For development: restart when a skill's file changes.",
)
@click.pass_context
def worker(context: click.Context, *, reload: bool) -> None:
    """Answer messages."""
    if context.invoked_subcommand is None:
        join_demo("DINGDA_REDIS_URL")
        with exiting_without_redis():
            run(load_settings(), reload=reload)


def run(settings: Settings, *, reload: bool = False) -> NoReturn:
    """Answer messages until told to stop, then end the process with its exit status.

    Args:
        settings: the worker's.
        reload: whether to restart, in the same process, when a skill's file changes.

    Raises:
        SettingsError: if a setting is wrong, or the set-up could break a promise.
        RedisError: if Redis cannot be used.
        DingdaError: if what `reload` needs is not installed.
    """
    configure_logging(settings.log_level, settings.log_format)
    changes = SkillChanges(settings) if reload else None
    run_preflight(settings, checks_names=False)
    warn_of_failpoints()
    uvloop.run(_work(settings, changes))
    raise AssertionError("the worker ends its process itself")


async def _work(settings: Settings, changes: SkillChanges | None) -> NoReturn:
    """Work until told to stop, and leave with an exit status.

    At once: Python and asyncio would wait for the threads and tasks that skills left behind, which
    may never end.
    """
    exit_status = FAILED
    try:
        await run_worker(settings, changes)
        exit_status = OK
    except SettingsError:
        raise
    except RedisError as error:
        logger.error("Redis (DINGDA_REDIS_URL) cannot be used: %s", error)
    except Exception as error:  # noqa: BLE001 - without the exception's text
        logger.error("the worker ends: %s", trace(error))
    logging.shutdown()
    if changes and changes.found:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - as it was started
    os._exit(exit_status)


if __name__ == "__main__":
    sys.exit(main())
