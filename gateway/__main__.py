"""`python -m gateway`: listen for DingTalk's callbacks; or `check`: say what could go wrong."""

import argparse
import logging
import os
import socket
import sys
from contextlib import suppress
from functools import partial

import uvicorn
from uvicorn.supervisors import Multiprocess

from dingda.gateway.app import HOW_TO_SET_UP, Gateway, create_app
from dingda.gateway.connections import KEEP_ALIVE_S, BoundedProtocol, Connections, connection_limit
from dingda.shared.errors import SettingsError
from dingda.shared.failpoints import warn_of_failpoints
from dingda.shared.logs import configure_logging
from dingda.shared.selfcheck import check, is_forbidden, start_checked
from dingda.shared.settings import Settings, load_settings

logger = logging.getLogger("dingda.gateway")


def main() -> int:
    """Run the gateway, or its one command; returns the process's exit status."""
    arguments = _parser().parse_args()
    try:
        settings = load_settings()
        if arguments.command == "check":
            return _check(settings)
        configure_logging(settings.log_level)
        warn_of_failpoints()
        app = create_app(settings)
        start_checked(settings)
        listener = _listen(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - it goes to a person, not to a log
        return 2
    logger.info("listening on http://%s:%d%s", settings.host, settings.port, settings.callback_path)
    with suppress(KeyboardInterrupt):  # uvicorn has stopped by then, and raises it again
        if settings.gateway_processes == 1:
            uvicorn.Server(_config(app)).run(sockets=[listener])
        else:
            # The others make the application themselves, for it can't be handed over.
            config = _config("dingda.gateway.app:create_app_from_environment", factory=True)
            config.workers = settings.gateway_processes
            Multiprocess(config, sockets=[listener]).run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m gateway", description="Without a command: listen for callbacks."
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("check", help="say what could break a promise, and what to do about it")
    return parser


def _check(settings: Settings) -> int:
    findings = check(settings)
    print("\n".join(map(str, findings)))  # noqa: T201 - it was asked for
    if not settings.secrets:
        raise SettingsError(HOW_TO_SET_UP)
    return int(any(is_forbidden(finding, settings) for finding in findings))


def _config(app: Gateway | str, *, factory: bool = False) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=factory,
        http=partial(BoundedProtocol, Connections(connection_limit())),  # type: ignore[arg-type]
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    try:
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host}:{settings.port} ({os.strerror(error.errno or 0)}); "
            "choose another with DINGDA_PORT or DINGDA_HOST"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
