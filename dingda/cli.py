"""The command `dingda`.

Each command is imported when it is used, so that the gateway never loads the worker and the help is
quick.
"""

import os
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

import click

from dingda import __version__
from dingda.shared.runtime.command_line import FAILED, HELP_OPTIONS, run


@dataclass(frozen=True, slots=True)
class Entry:
    """A command's location, and its line in the help."""

    path: str
    """The module and the name in it: `module:name`."""
    help: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Try it": {
        "demo": Entry(
            "dingda.simulator.demo.command:demo",
            "Start everything on this machine; Ctrl-C ends it.",
        ),
        "say": Entry("dingda.simulator.__main__:say", "Say one thing to the bot."),
        "chat": Entry(
            "dingda.simulator.__main__:chat",
            "Hold a conversation with the bot; an empty line or /quit ends it.",
        ),
    },
    "Write skills": {
        "new": Entry("dingda.new:new", "Write a skill package, with tests and what deploys it."),
        "ask": Entry(
            "dingda.ask:ask", "Ask the skills one thing in this process, without a Redis."
        ),
        "skills": Entry(
            "dingda.worker.operations.author_commands:skills",
            "List the skills, their modules and what one types.",
        ),
        "settings": Entry(
            "dingda.worker.operations.author_commands:settings",
            "List every setting, what it means and what it is now.",
        ),
    },
    "Run it": {
        "check": Entry("dingda.check:check", "Look for what could break a promise."),
        "gateway": Entry("dingda.gateway.__main__:gateway", "Listen for DingTalk's callbacks."),
        "stream": Entry(
            "dingda.gateway.stream.command:stream",
            "Hear DingTalk over a Stream connection: no public address needed.",
        ),
        "worker": Entry("dingda.worker.__main__:worker", "Answer messages."),
        "simulator": Entry("dingda.simulator.__main__:simulator", "Play DingTalk on this machine."),
    },
    "Look after it": {
        "push": Entry(
            "dingda.worker.operations.push_command:push",
            "Let the bot say something to a group or a person.",
        ),
        "status": Entry(
            "dingda.worker.operations.commands:status",
            "Show the totals, the queue and the workers.",
        ),
        "schedules": Entry(
            "dingda.worker.operations.schedule_commands:schedules",
            "List the schedules and their ticks, or run one now.",
        ),
        "trace": Entry(
            "dingda.worker.operations.commands:trace_command",
            "Show what became of messages.",
        ),
        "metrics": Entry(
            "dingda.worker.operations.commands:metrics",
            "Tell Prometheus what Redis knows of all processes together.",
        ),
        "top": Entry(
            "dingda.worker.operations.commands:top",
            "Show the dashboard's first page in this terminal; q ends it.",
        ),
        "dashboard": Entry(
            "dingda.worker.operations.dashboard.command:dashboard",
            "Show in a browser what the bot does, dead letters, one message.",
        ),
        "cards": Entry(
            "dingda.worker.operations.card_commands:cards",
            "Tell DingTalk where presses on cards go.",
        ),
        "dead": Entry(
            "dingda.worker.operations.commands:dead",
            "List, show, retry or drop messages that ended badly.",
        ),
    },
}
ENTRIES = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, listed in sections."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands, in the order of the help."""
        return list(ENTRIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command; None if there is none of this name."""
        if cmd_name not in ENTRIES:
            return None
        module, _, name = ENTRIES[cmd_name].path.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is typed, or name the nearest one in the complaint."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            nearest = get_close_matches(args[0], ENTRIES, n=1)
            if not nearest:
                raise
            complaint = f"{error.format_message()} Did you mean '{nearest[0]}'?"
            raise click.UsageError(complaint, ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write a line for each command, without importing it."""
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in entries.items()])


@click.group(
    cls=LazyGroup,
    context_settings=HELP_OPTIONS,
    epilog="Exit status: 0 all is well, 1 it failed, 2 wrong settings or arguments.",
)
@click.version_option(__version__, prog_name="dingda")
def dingda() -> None:
    """Dingda 钉答, the DingTalk group bot that always answers.

    Settings are environment variables, or lines in .env: see `dingda settings`.
    """


def main() -> int:
    """Run the command line; returns the process's exit status."""
    try:
        _look_here_last()
    except FileNotFoundError:
        click.echo("The current folder has been deleted: change to another.", err=True)
        return FAILED
    return run(dingda)


def _look_here_last() -> None:
    """Put the current folder last on the path: skills may be in it, but must not shadow a library.

    `python -m` looks there first, the installed command not at all.
    """
    here = os.getcwd()  # noqa: PTH109 - as Python wrote it into the path
    sys.path[:] = [folder for folder in sys.path if folder not in ("", here)] + [here]
