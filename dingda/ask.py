"""The command `dingda ask`: show the worker's answer to a text, drawn as the simulator draws it."""

import asyncio
from textwrap import indent

import click

from dingda.shared.ledger.states import Completion, Outcome
from dingda.shared.runtime.command_line import FAILED, OK, as_json_option, to_json
from dingda.shared.runtime.logs import configure_logging
from dingda.shared.runtime.running_demo import join_demo
from dingda.shared.runtime.settings import load_settings
from dingda.simulator.client.rendering import render_payload
from dingda.worker.operations.named_robots import find_robot, robot_option
from dingda.worker.operations.offline import OfflineAnswer, answer_offline

_MARGIN = " " * 9


@click.command
@click.argument("text")
@click.option("--as", "staff_id", metavar="ID", default="0001", help="The sender's userid (0001).")
@click.option("--nick", metavar="NAME", default="张三", help="The sender's nickname (张三).")
@click.option("--single", is_flag=True, help="In a single chat, not in the group.")
@robot_option
@as_json_option
def ask(
    text: str, *, staff_id: str, nick: str, single: bool, robot_name: str, as_json: bool
) -> int:
    """Ask the skills one thing in this process, without a Redis.

    TEXT is without the mention. The skills are those that the worker would load (of several robots,
    --robot's or the first one's), and they reach their backends; DingTalk is not spoken to. Exit
    status: 1 if no skill wants the text, or its skill fails.
    """
    join_demo("DINGDA_SKILLS")
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    robot = find_robot(settings.robots, robot_name) if robot_name else next(iter(settings.robots))
    answer = asyncio.run(
        answer_offline(text, settings, robot, staff_id=staff_id, nick=nick, single=single)
    )
    if as_json:
        click.echo(to_json(_facts(answer)))
    else:
        click.echo("\n".join(_lines(answer, names={staff_id: nick})))
    return OK if _is_good(answer) else FAILED


def _is_good(answer: OfflineAnswer) -> bool:
    """Whether a skill answered or chose to be silent."""
    outcome = _completion(answer).outcome
    if outcome is Outcome.UNMATCHED:
        return bool(answer.skill)
    return outcome is not Outcome.DEAD


def _completion(answer: OfflineAnswer) -> Completion:
    """How the message would end in the ledger, which holds silence for unmatched."""
    return answer.response.completion if answer.response else Completion(Outcome.UNMATCHED)


def _facts(answer: OfflineAnswer) -> dict[str, object]:
    response, completion = answer.response, _completion(answer)
    return {
        "skill": answer.skill,
        "end": str(completion.outcome),
        "reason": completion.full_reason,
        "private": bool(response and response.private),
        "took_ms": answer.took_ms,
        "reply": response.reply.to_payload() if response else None,
    }


def _lines(answer: OfflineAnswer, *, names: dict[str, str]) -> list[str]:
    response = answer.response
    lines = [f"skill    {answer.skill or 'none'}: {_completion(answer)}"]
    if response is None:
        return [*lines, "no reply"]
    payload = response.reply.to_payload()
    mentioned = payload.get("at", {}).get("atUserIds", ())
    drawn = render_payload(payload, {each: names.get(each, each) for each in mentioned})
    private = ", to the sender alone" if response.private else ""
    return [
        *lines,
        f"reply    after {answer.took_ms} ms: {payload['msgtype']}{private}",
        indent(drawn, _MARGIN),
    ]
