"""`python -m simulator`: play DingTalk; `… say TEXT` and `… chat` speak to the bot through it."""

import argparse
import asyncio
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

from dingda.shared.errors import DingdaError, SettingsError
from dingda.shared.logs import configure_logging
from dingda.shared.settings import load_settings
from dingda.simulator.api import MAX_WAIT_S
from dingda.simulator.callback import Kind, Mentioned, Quoted, Said
from dingda.simulator.client import SimulatorClient
from dingda.simulator.server import serve
from dingda.simulator.settings import SimulatorSettings, load_simulator_settings
from dingda.simulator.terminal import chat, say

_WRONG_SETTINGS = 2
_INTERRUPTED = 130


def main() -> int:
    """Do what the command line says; returns the process's exit status."""
    arguments = _parser().parse_args()
    try:
        return _run(arguments, load_simulator_settings())
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - nothing is logging yet
        return _WRONG_SETTINGS
    except DingdaError as error:
        print(error, file=sys.stderr)  # noqa: T201 - an answer to the person who typed the command
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(arguments: argparse.Namespace, settings: SimulatorSettings) -> int:
    if arguments.command == "say":
        return asyncio.run(_say(arguments, settings.server_url))
    if arguments.command == "chat":
        open_client = partial(SimulatorClient, settings.server_url)
        return chat(open_client, _said(arguments, text=""), wait_s=arguments.wait)
    bot = load_settings()
    configure_logging(bot.log_level)
    serve(settings, bot)
    return 0


async def _say(arguments: argparse.Namespace, url: str) -> int:
    said = _read(arguments.callback) if arguments.callback else _said_once(arguments)
    async with SimulatorClient(url) as client:
        return await say(client, said, wait_s=arguments.wait, as_json=arguments.json)


def _said_once(arguments: argparse.Namespace) -> Said:
    try:
        return replace(
            _said(arguments, text=arguments.text),
            kind=arguments.kind,
            mentioned=tuple(map(Mentioned, arguments.at)),
            quoted=None if arguments.quote is None else Quoted(arguments.quote),
            client=arguments.client,
            external=arguments.external,
        )
    except ValueError as error:
        raise DingdaError(str(error)) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DingdaError(f"{path} can't be read: {error.strerror}") from None


def _said(arguments: argparse.Namespace, *, text: str) -> Said:
    return Said(text, sender=arguments.sender, single=arguments.single)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="DingTalk on a laptop. Without a command: run its server.",
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    manner = _manner()
    saying = commands.add_parser("say", parents=[manner], help="say one thing to the bot")
    saying.add_argument("text", nargs="?", default="", help="what to say, without the mention")
    saying.add_argument("--kind", choices=get_args(Kind), default="text", help="text, unless told")
    saying.add_argument(
        "--at", action="append", default=[], metavar="NAME", help="mention somebody besides the bot"
    )
    saying.add_argument("--quote", metavar="TEXT", help="answer to a message of the bot's")
    saying.add_argument("--client", default="Mac", help="Mac, Win, iOS, Android, HarmonyOS (Mac)")
    saying.add_argument("--external", action="store_true", help="speak from another organisation")
    saying.add_argument(
        "--callback",
        type=Path,
        metavar="FILE",
        help="send the callback in this file instead, with a fresh msgId and session",
    )
    saying.add_argument("--json", action="store_true", help="print the record as one JSON object")
    commands.add_parser("chat", parents=[manner], help="hold a conversation; an empty line ends it")
    return parser


def _manner() -> argparse.ArgumentParser:
    manner = argparse.ArgumentParser(add_help=False)
    manner.add_argument("--single", action="store_true", help="in a single chat, not in the group")
    manner.add_argument("--sender", metavar="NAME", default="张三", help="who speaks (张三)")
    manner.add_argument(
        "--wait",
        metavar="SECONDS",
        type=_seconds,
        default=5.0,
        help=f"how long to wait for a reply (5; at most {MAX_WAIT_S:g})",
    )
    return manner


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= MAX_WAIT_S:
        raise argparse.ArgumentTypeError(f"must be from 0 to {MAX_WAIT_S:g}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
