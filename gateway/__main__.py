"""`python -m gateway`: listen for DingTalk's callbacks; or `check`: say what could go wrong."""

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict

import click

from dingda.gateway.app import HOW_TO_SET_UP
from dingda.gateway.serving import serve
from dingda.shared.errors import SettingsError
from dingda.shared.runtime.command_line import HELP_OPTIONS, as_json_option, run
from dingda.shared.runtime.finding import Finding
from dingda.shared.runtime.preflight import check as find_problems
from dingda.shared.runtime.preflight import is_forbidden
from dingda.shared.runtime.running_demo import join_demo
from dingda.shared.runtime.settings import Settings, load_settings


def main() -> int:
    """Do what the command line says; returns the process's exit status."""
    return run(gateway)


@click.group(invoke_without_command=True, context_settings=HELP_OPTIONS)
@click.option("--stream", "over_stream", is_flag=True, help="Do what `dingda stream` does instead.")
@click.pass_context
def gateway(context: click.Context, *, over_stream: bool) -> None:
    """Listen for DingTalk's callbacks."""
    if context.invoked_subcommand is not None:
        return
    if over_stream:
        from dingda.gateway.stream.command import stream  # noqa: PLC0415 - loads aiohttp

        context.invoke(stream)
        return
    join_demo("DINGDA_REDIS_URL")
    serve(load_settings())


@gateway.command("check")
@as_json_option
def check_command(*, as_json: bool) -> int:
    """Look for what could break a promise, but for the skills.

    `dingda check` looks at them as well; the gateway loads none. DingTalk is asked what its console
    lacks for each robot; nothing is sent to anybody. Each finding says what to do about it. Exit
    status: 1 if one of them keeps the gateway and the workers from starting.
    """
    join_demo("DINGDA_REDIS_URL")
    return check(load_settings(), as_json=as_json)


def check(
    settings: Settings,
    *,
    as_json: bool = False,
    skills: Sequence[Finding] = (),
    names: Collection[str] = (),
) -> int:
    """Print what could break a promise, a line each or as a JSON list.

    Args:
        settings: those of the process.
        as_json: whether as a list.
        skills: what was found in the skills, of which the gateway knows nothing.
        names: the names of settings that are read besides the bot's own.

    Returns:
        The process's exit status: 1 if a finding is a danger that DINGDA_ALLOW does not name.

    Raises:
        SettingsError: if there is no secret, or `DINGDA_REDIS_URL` is no URL.
    """
    from dingda.gateway.console.robot_check import check_console  # noqa: PLC0415 - loads aiohttp

    findings = [*find_problems(settings, names=names), *skills, *check_console(settings)]
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        click.echo("\n".join(map(str, findings)))
    if not settings.secrets:
        raise SettingsError(HOW_TO_SET_UP)
    return int(any(is_forbidden(finding, settings) for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
