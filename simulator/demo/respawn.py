"""Run a command of Dingda again whenever it dies, as a supervisor does on a server."""

import subprocess
import sys
import time

import click

from dingda.shared.runtime.command_line import OK, WRONG_USAGE
from dingda.simulator.demo.child import end_with_demo

_PAUSE_S = 1.0


def main() -> int:
    """Run `dingda` with this process's arguments until it ends as it should, or can't start."""
    end_with_demo()
    command = [sys.executable, "-m", "dingda", *sys.argv[1:]]
    while (status := subprocess.call(command)) not in (OK, WRONG_USAGE):  # noqa: S603 - our own
        click.echo(f"the {sys.argv[1]} died: here is another")
        time.sleep(_PAUSE_S)
    return status


if __name__ == "__main__":
    sys.exit(main())
