"""`python -m worker`: answer messages until told to stop; or run one of its commands."""

import logging
import os
import sys
from typing import NoReturn

import uvloop
from redis.exceptions import RedisError

from dingda.shared.errors import SettingsError
from dingda.shared.failpoints import warn_of_failpoints
from dingda.shared.logs import configure_logging, trace
from dingda.shared.selfcheck import start_checked
from dingda.shared.settings import Settings, load_settings
from dingda.worker.app import run_worker
from dingda.worker.commands import create_parser, run_command

logger = logging.getLogger("dingda.worker")


def main() -> int:
    """Run the worker, or one of its commands; returns the process's exit status."""
    arguments = create_parser().parse_args()
    try:
        settings = load_settings()
        if arguments.command:
            configure_logging(settings.log_level)
            return uvloop.run(run_command(arguments, settings))
        run(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - before there may be a log
        return 2
    except RedisError as error:
        logger.error("Redis (DINGDA_REDIS_URL) cannot be used: %s", error)
        return 1


def run(settings: Settings) -> NoReturn:
    """Answer messages until told to stop, then end the process with its exit status.

    Raises:
        SettingsError: if a setting is wrong, or the set-up could break a promise.
        RedisError: if Redis cannot be used.
    """
    configure_logging(settings.log_level)
    start_checked(settings)
    warn_of_failpoints()
    uvloop.run(_work(settings))
    raise AssertionError("the worker ends its process itself")


async def _work(settings: Settings) -> NoReturn:
    """Work until told to stop, and leave with an exit status.

    At once: Python and asyncio would wait for the threads and tasks that skills left behind, which
    may never end.
    """
    status = 1
    try:
        await run_worker(settings)
        status = 0
    except SettingsError:
        raise
    except RedisError as error:
        logger.error("Redis (DINGDA_REDIS_URL) cannot be used: %s", error)
    except Exception as error:  # noqa: BLE001 - without the exception's own words
        logger.error("the worker ends: %s", trace(error))
    logging.shutdown()
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
