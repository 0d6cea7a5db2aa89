"""`python -m worker`: answer messages until told to stop; or run one of its commands."""

import logging
import sys

import uvloop
from redis.exceptions import RedisError

from shared.errors import SettingsError
from shared.failpoints import warn_of_failpoints
from shared.logs import configure_logging
from shared.selfcheck import start_checked
from shared.settings import load_settings
from worker.app import run_worker
from worker.commands import create_parser, run_command

logger = logging.getLogger("worker")


def main() -> int:
    """Run the worker, or one of its commands; returns the process's exit status."""
    arguments = create_parser().parse_args()
    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        if arguments.command:
            return uvloop.run(run_command(arguments, settings))
        start_checked(settings)
        warn_of_failpoints()
        uvloop.run(run_worker(settings))
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - before there may be a log
        return 2
    except RedisError as error:
        logger.error("Redis (DINGDA_REDIS_URL) cannot be used: %s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
