"""The process that `dingda demo` starts: the simulated DingTalk, which runs all others.

No button of the page stops this one, so the supervisor runs in it, and its API can tell how the
others are.
"""

import logging
import sys

import click

from dingda.shared.runtime.command_line import run
from dingda.shared.runtime.logs import configure_logging
from dingda.shared.runtime.settings import load_settings
from dingda.simulator.demo.child import end_with_demo
from dingda.simulator.demo.control import DemoControl
from dingda.simulator.demo.supervisor import Supervisor, named
from dingda.simulator.http.extension import SimulatorParts
from dingda.simulator.http.server import serve
from dingda.simulator.settings import load_simulator_settings

_DEMO = "dingda.simulator.demo"
_WORKERS = 2


@click.command
@click.argument("ingress")
@click.option("--reload", is_flag=True, help="Restart the workers when a skill's file changes.")
def main(ingress: str, *, reload: bool) -> int:
    """Run them all, with the command INGRESS to receive the messages, until told to stop.

    The exit status is that of a process that could not run at all.
    """
    end_with_demo()
    options = ("--reload",) if reload else ()
    settings, bot = load_simulator_settings(), load_settings()
    configure_logging(bot.log_level, bot.log_format)
    _name_lines("dingtalk")

    def create_control(parts: SimulatorParts) -> DemoControl:
        supervisor = Supervisor(commands(ingress, *options), parts.changes.announce)
        return DemoControl(supervisor, parts)

    return serve(settings, bot, create_control)


def commands(ingress: str, *options: str) -> dict[str, tuple[str, ...]]:
    """What Python runs after `-m`, by the processes' names; the others need the first.

    Args:
        ingress: the command that receives the messages.
        options: of the workers.
    """
    child = f"{_DEMO}.child"
    return {
        "redis": (f"{_DEMO}.server",),
        ingress: (child, ingress),
        **{f"worker-{number}": (child, "worker", *options) for number in range(1, _WORKERS + 1)},
    }


def _name_lines(name: str) -> None:
    """Let the lines of this process's log begin as the others' do."""
    for handler in logging.getLogger().handlers:
        if handler.formatter:
            handler.formatter = _NamedLines(name, handler.formatter)


class _NamedLines(logging.Formatter):
    def __init__(self, name: str, formatter: logging.Formatter) -> None:
        super().__init__()
        self._name = name
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """Format as the other does, with the name before it."""
        return named(self._name, self._formatter.format(record))


if __name__ == "__main__":
    sys.exit(run(main))
