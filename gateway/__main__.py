"""`python -m gateway`: listen for DingTalk's callbacks; or `check`: say what could go wrong."""

import argparse
import logging
import sys
from contextlib import suppress
from functools import partial
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from dingda.gateway.app import HOW_TO_SET_UP, create_app
from dingda.gateway.connections import KEEP_ALIVE_S, BoundedProtocol, Connections, connection_limit
from dingda.shared.errors import SettingsError
from dingda.shared.failpoints import warn_of_failpoints
from dingda.shared.logs import configure_logging
from dingda.shared.selfcheck import check as find_problems
from dingda.shared.selfcheck import is_forbidden, start_checked
from dingda.shared.server import create_uvicorn_config, listen
from dingda.shared.settings import Settings, load_settings

logger = logging.getLogger("dingda.gateway")


def main() -> int:
    """Do what the command line says; returns the process's exit status."""
    arguments = _parser().parse_args()
    try:
        settings = load_settings()
        if arguments.command == "check":
            return check(settings)
        serve(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - it goes to a person, not to a log
        return 2
    return 0


def serve(settings: Settings) -> None:
    """Listen for callbacks until told to stop.

    Raises:
        SettingsError: if a setting is missing or dangerous, or the port is taken.
    """
    configure_logging(settings.log_level)
    warn_of_failpoints()
    app = create_app(settings)
    start_checked(settings)
    listener = listen(settings.host, settings.port, settings_prefix="DINGDA_")
    logger.info("listening on http://%s:%d%s", settings.host, settings.port, settings.callback_path)
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has shut down
        if settings.gateway_processes == 1:
            uvicorn.Server(_uvicorn_config(app)).run(sockets=[listener])
        else:
            # An application cannot be handed to another process, so each makes its own.
            config = _uvicorn_config(
                "dingda.gateway.app:create_app_from_environment",
                factory=True,
                workers=settings.gateway_processes,
            )
            Multiprocess(config, sockets=[listener]).run()


def check(settings: Settings) -> int:
    """Print what could break a promise, a line each.

    Returns:
        The process's exit status: 1 if something of it keeps the gateway from starting, else 0.

    Raises:
        SettingsError: if there is no secret, or `DINGDA_REDIS_URL` is no URL.
    """
    findings = find_problems(settings)
    print("\n".join(map(str, findings)))  # noqa: T201 - it was asked for
    if not settings.secrets:
        raise SettingsError(HOW_TO_SET_UP)
    return int(any(is_forbidden(finding, settings) for finding in findings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gateway", description="Without a command: listen for callbacks."
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("check", help="say what could break a promise, and what to do about it")
    return parser


def _uvicorn_config(app: Any, **options: Any) -> uvicorn.Config:
    return create_uvicorn_config(
        app,
        http=partial(BoundedProtocol, Connections(connection_limit())),
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
        **options,
    )


if __name__ == "__main__":
    sys.exit(main())
