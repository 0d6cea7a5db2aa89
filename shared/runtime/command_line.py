"""How each of our command lines ends: exit statuses, and errors as sentences."""

import json
import logging
from contextlib import suppress

import click

from dingda.shared.errors import DingdaError, SettingsError
from dingda.shared.runtime.environment import value_set
from dingda.shared.runtime.logs import configure_logging

OK, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
"""Context settings for a command line and all of its commands."""

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def to_json(facts: object) -> str:
    """Encode as JSON that a terminal can't obey: unprintable characters are escaped."""
    return "".join(
        c if c.isprintable() else json.dumps(c)[1:-1] for c in json.dumps(facts, ensure_ascii=False)
    )


def run(command: click.Command) -> int:
    """Do what the process's arguments say.

    Args:
        command: its functions return the exit status, or None for success.

    Returns:
        The process's exit status: 0 for success, 1 for failure, 2 for a wrong setting or argument,
        130 after Ctrl-C. An error is a sentence on standard error.
    """
    try:
        status: int | None = command.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SettingsError as error:
        _complain(error)
        return WRONG_USAGE
    except DingdaError as error:
        _complain(error)
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return status or OK


def _complain(error: DingdaError) -> None:
    """Say what is wrong in a sentence, or in a line of the log where that is read by machines."""
    log_format = ""
    with suppress(OSError, ValueError):  # `.env` may be what is wrong
        log_format = value_set("DINGDA_LOG_FORMAT")
    if log_format == "json":
        configure_logging("INFO", "json")
        logging.getLogger("dingda").critical("%s", error)
    else:
        click.echo(error, err=True)
