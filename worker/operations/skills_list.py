"""`dingda skills`: what one types, hooks and schedules, words that two claim, what fails."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from dingda.shared.dingtalk.card_action import CardAction
from dingda.shared.dingtalk.event import Event
from dingda.shared.runtime.command_line import to_json
from dingda.shared.runtime.logs import printable
from dingda.worker.answering.help import help_skill
from dingda.worker.language.text import fold
from dingda.worker.sdk.hooks import Subject
from dingda.worker.sdk.loader import FoundModule
from dingda.worker.sdk.skill import Command, Skill

_MAX_CHARS = 70
"""How much of a pattern a line shows; JSON has all of it."""


@dataclass(frozen=True, slots=True)
class ListedCommand:
    """A command of a skill."""

    usage: str
    """How to type it: `天气 <城市> [日期]`."""
    aliases: tuple[str, ...]
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListedSkill:
    """A skill, and the module that has it."""

    name: str
    module: str
    summary: str
    commands: Sequence[ListedCommand]
    events: Sequence[str] = ()
    """The types of the events that it hooks."""
    card_actions: Sequence[str] = ()
    """The ids of the card actions that it hooks."""
    schedules: Sequence[str] = ()
    """Its functions that are called at times, each with those times."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A word that several skills claim."""

    word: str
    module: str
    """The module whose skill has it: the first."""
    others: tuple[str, ...]
    """The modules whose skills claim it in vain."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A module that can't be loaded, or has no skill."""

    module: str
    reason: str


@dataclass(frozen=True, slots=True)
class SkillsList:
    """All that there is, in the order in which a text is tried."""

    skills: Sequence[ListedSkill]
    conflicts: Sequence[Conflict]
    failures: Sequence[Failure]


def list_skills(found: Sequence[FoundModule]) -> SkillsList:
    """List what modules hold, and the help that every worker has."""
    loaded = [(module.name, module.skill) for module in found if module.skill]
    help_ = help_skill([skill for _, skill in loaded])
    loaded.append(("dingda.worker.answering.help", help_))
    return SkillsList(
        [_listed(module, skill) for module, skill in loaded],
        list(_conflicts(loaded)),
        [Failure(module.name, module.problem) for module in found if module.problem],
    )


def show_skills(listed: SkillsList, *, as_json: bool) -> str:
    """In lines, or as one JSON object."""
    if as_json:
        return to_json(asdict(listed))
    parts = ["\n".join(_lines(skill)) for skill in listed.skills]
    parts += [
        f"conflict: {each.word} is claimed by {', '.join((each.module, *each.others))}; "
        f"{each.module} has it"
        for each in listed.conflicts
    ]
    parts += [f"cannot be loaded: {each.module}: {each.reason}" for each in listed.failures]
    return "\n\n".join(parts)


def show_robots_skills(listed: Mapping[str, SkillsList], *, as_json: bool) -> str:
    """The same of each robot, by its label; without the label where there is only one."""
    if len(listed) == 1:
        (only,) = listed.values()
        return show_skills(only, as_json=as_json)
    if as_json:
        return to_json({label: asdict(each) for label, each in listed.items()})
    return "\n\n".join(
        f"# {label}\n\n{show_skills(each, as_json=False)}" for label, each in listed.items()
    )


def _listed(module: str, skill: Skill) -> ListedSkill:
    return ListedSkill(
        skill.name,
        module,
        skill.summary,
        commands=[_command(each) for each in skill.commands],
        events=_hooked(skill, Event),
        card_actions=_hooked(skill, CardAction),
        schedules=[f"{name}  {each.shown}" for name, each in skill.schedules.items()],
    )


def _hooked(skill: Skill, subject: Subject) -> list[str]:
    return [name for hook in skill.hooks if hook.subject is subject for name in hook.names]


def _command(command: Command) -> ListedCommand:
    patterns = tuple(pattern.source for pattern in command.patterns)
    return ListedCommand(command.usage, command.names[1:], patterns)


def _conflicts(loaded: Iterable[tuple[str, Skill]]) -> Iterator[Conflict]:
    claims: dict[str, dict[str, str]] = {}
    for module, skill in loaded:
        for command in skill.commands:
            for name in command.names:
                claims.setdefault(fold(name), {}).setdefault(module, name)
    for by_module in claims.values():
        first, *others = by_module
        if others:
            yield Conflict(by_module[first], first, tuple(others))


def _lines(skill: ListedSkill) -> Iterator[str]:
    yield f"{skill.name}  {skill.summary}  ({skill.module})"
    for command in skill.commands:
        yield f"  {command.usage}"
        if command.aliases:
            yield f"      also: {'、'.join(command.aliases)}"
        for pattern in command.patterns:
            yield f"      pattern: {printable(pattern, _MAX_CHARS)}"
    hooked = {
        "event": skill.events,
        "card action": skill.card_actions,
        "schedule": skill.schedules,
    }
    for kind, names in hooked.items():
        yield from (f"  {kind}: {printable(name, _MAX_CHARS)}" for name in names)
