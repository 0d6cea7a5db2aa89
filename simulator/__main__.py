"""`python -m simulator`: play DingTalk; `… say TEXT` and `… chat` speak to the bot through it."""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from dingda.shared.dingtalk.message import SESSION_LIFE_MS
from dingda.shared.errors import DingdaError
from dingda.shared.runtime.command_line import HELP_OPTIONS, as_json_option, run
from dingda.shared.runtime.logs import configure_logging
from dingda.shared.runtime.preflight import warn_of_misspelt
from dingda.shared.runtime.running_demo import join_demo
from dingda.shared.runtime.settings import load_settings
from dingda.simulator.client import terminal
from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.user_message import Kind, Mentioned, Quotation, UserMessage
from dingda.simulator.http.server import serve
from dingda.simulator.settings import SimulatorSettings, load_simulator_settings

F = TypeVar("F", bound=Callable[..., Any])


def main() -> int:
    """Do what the command line says; returns the process's exit status."""
    return run(simulator)


@click.group(invoke_without_command=True, context_settings=HELP_OPTIONS)
@click.pass_context
def simulator(context: click.Context) -> None:
    """Play DingTalk on this machine."""
    if context.invoked_subcommand is None:
        settings, bot = load_simulator_settings(), load_settings()
        configure_logging(bot.log_level, bot.log_format)
        warn_of_misspelt(SimulatorSettings)
        serve(settings, bot)


def _sender_options(command: F) -> F:
    """The options of `say` and `chat`: the sender, the conversation, and how long to wait."""
    for option in (
        click.option(
            "--wait",
            "wait_s",
            metavar="SECONDS",
            type=click.FloatRange(0, SESSION_LIFE_MS / 1000),
            help="How long to wait at the most (as long as the answer may take).",
        ),
        click.option("--sender", metavar="NAME", default="张三", help="Who speaks (张三)."),
        click.option("--single", is_flag=True, help="In a single chat, not in the group."),
        click.option("--group", metavar="NAME", default="", help="In another group, by its name."),
        click.option("--robot", metavar="NAME", default="", help="To another robot, by its name."),
    ):
        command = option(command)
    return command


@simulator.command
@click.argument("text", default="")
@_sender_options
@click.option(
    "--kind", type=click.Choice(get_args(Kind)), default="text", help="Text, unless told."
)
@click.option(
    "--at", "mentioned", multiple=True, metavar="NAME", help="Mention somebody besides the bot."
)
@click.option("--quote", metavar="TEXT", help="Answer to a message of the bot's.")
@click.option("--client", default="Mac", help="Mac, Win, iOS, Android, HarmonyOS (Mac).")
@click.option("--external", is_flag=True, help="Speak from another organisation.")
@click.option(
    "--callback",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Send the callback in this file instead, with a fresh msgId and session.",
)
@as_json_option
def say(
    *,
    mentioned: tuple[str, ...],
    quote: str | None,
    callback: Path | None,
    wait_s: float | None,
    as_json: bool,
    **fields: Any,
) -> int:
    """Say one thing to the bot.

    It goes through a running simulator, such as the demo's. TEXT is without the mention. Whatever
    comes of it is printed as it comes: a notice, the answer, a private one, cards and pushes. Exit
    status: 0 if the gateway took the message, DingTalk whatever replied to it, and there was a
    worker to answer it.
    """
    message = (
        _read(callback)
        if callback
        else _user_message(
            **fields,
            mentioned=tuple(map(Mentioned, mentioned)),
            quoted=None if quote is None else Quotation(quote),
        )
    )
    url = _server_url()

    async def exchange() -> int:
        async with SimulatorClient(url) as client:
            return await terminal.say(client, message, wait_s=wait_s, as_json=as_json)

    return asyncio.run(exchange())


@simulator.command
@_sender_options
def chat(*, wait_s: float | None, **fields: Any) -> int:
    """Hold a conversation with the bot; an empty line or /quit ends it."""
    open_client = partial(SimulatorClient, _server_url())
    return terminal.chat(open_client, _user_message(text="", **fields), wait_s=wait_s)


def _server_url() -> str:
    join_demo("DINGDA_SIMULATOR_URL", "DINGDA_SIMULATOR_HOST", "DINGDA_SIMULATOR_PORT")
    return load_simulator_settings().server_url


def _user_message(**fields: Any) -> UserMessage:
    try:
        return UserMessage(**fields)
    except ValueError as error:
        raise DingdaError(str(error)) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DingdaError(f"{path} can't be read: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
