"""`python -m gateway`: listen for DingTalk's callbacks; or `check`: say what could go wrong."""

import json
import logging
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

import click
import uvicorn
from uvicorn.supervisors import Multiprocess

from dingda.gateway.app import HOW_TO_SET_UP, create_app
from dingda.gateway.http.connections import (
    KEEP_ALIVE_S,
    BoundedProtocol,
    Connections,
    connection_limit,
)
from dingda.shared.errors import SettingsError
from dingda.shared.runtime.command_line import HELP_OPTIONS, as_json_option, run
from dingda.shared.runtime.failpoints import warn_of_failpoints
from dingda.shared.runtime.garbage import relax_garbage_collection
from dingda.shared.runtime.logs import configure_logging
from dingda.shared.runtime.preflight import check as find_problems
from dingda.shared.runtime.preflight import is_forbidden, run_preflight
from dingda.shared.runtime.running_demo import join_demo
from dingda.shared.runtime.server import create_uvicorn_config, listen
from dingda.shared.runtime.settings import Settings, load_settings

logger = logging.getLogger("dingda.gateway")


def main() -> int:
    """Do what the command line says; returns the process's exit status."""
    return run(gateway)


@click.group(invoke_without_command=True, context_settings=HELP_OPTIONS)
@click.pass_context
def gateway(context: click.Context) -> None:
    """Listen for DingTalk's callbacks."""
    if context.invoked_subcommand is None:
        join_demo("DINGDA_REDIS_URL")
        serve(load_settings())


@gateway.command("check")
@as_json_option
def check_command(*, as_json: bool) -> int:
    """Look for what could break a promise.

    Each finding says what to do about it. Exit status: 1 if one of them keeps the gateway and the
    workers from starting.
    """
    join_demo("DINGDA_REDIS_URL")
    return check(load_settings(), as_json=as_json)


def serve(settings: Settings) -> None:
    """Listen for callbacks until told to stop.

    Raises:
        SettingsError: if a setting is missing or dangerous, or the port is taken.
    """
    configure_logging(settings.log_level, settings.log_format)
    warn_of_failpoints()
    app = create_app(settings)
    run_preflight(settings)
    listener = listen(settings.host, settings.port, settings_prefix="DINGDA_")
    logger.info("listening on http://%s:%d%s", settings.host, settings.port, settings.callback_path)
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after it has shut down
        if settings.gateway_processes == 1:
            relax_garbage_collection()
            uvicorn.Server(_uvicorn_config(app)).run(sockets=[listener])
        else:
            # An application cannot be handed to another process, so each makes its own.
            config = _uvicorn_config(
                "dingda.gateway.app:create_app_from_environment",
                factory=True,
                workers=settings.gateway_processes,
            )
            Multiprocess(config, sockets=[listener]).run()


def check(settings: Settings, *, as_json: bool = False) -> int:
    """Print what could break a promise, a line each or as a JSON list.

    Returns:
        The process's exit status: 1 if something of it keeps the gateway from starting, else 0.

    Raises:
        SettingsError: if there is no secret, or `DINGDA_REDIS_URL` is no URL.
    """
    findings = find_problems(settings)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        click.echo("\n".join(map(str, findings)))
    if not settings.secrets:
        raise SettingsError(HOW_TO_SET_UP)
    return int(any(is_forbidden(finding, settings) for finding in findings))


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
