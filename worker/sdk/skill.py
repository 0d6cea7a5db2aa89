"""Skills: their commands and hooks, and the functions behind them."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from dingda.shared.dingtalk.card_action import CardAction
from dingda.shared.dingtalk.event import Event
from dingda.shared.dingtalk.push import Target
from dingda.shared.dingtalk.reply import Reply
from dingda.shared.dingtalk.tick import Tick
from dingda.worker.language.patterns import Pattern, UnsupportedPatternError
from dingda.worker.language.text import fold
from dingda.worker.sdk.actions import ActionFunction, ActionHandler, check_action_type
from dingda.worker.sdk.arguments import Signature
from dingda.worker.sdk.context import Context
from dingda.worker.sdk.hooks import Hook, HookFunction, Subject
from dingda.worker.sdk.question import Question
from dingda.worker.sdk.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Allow:
    """The people and chats that may use a skill: all, unless narrowed.

    >>> boss = Allow(staff_ids=frozenset({"0001"}))
    >>> skill = Skill("payroll", summary="查工资条", allow=boss)
    >>> @skill.command("工资条")
    ... def payslip() -> str:
    ...     return "已发到邮箱"
    >>> asyncio.run(ask(skill, "工资条", staff_id="0002")).content
    '抱歉，你没有使用「查工资条」的权限'
    """

    staff_ids: frozenset[str] = frozenset()
    conversation_ids: frozenset[str] = frozenset()
    chats: Literal["any", "group", "single"] = "any"


EVERYONE = Allow()

Answer = Reply | Question | str | None
SkillFunction = Callable[..., Answer | Awaitable[Answer]]
F = TypeVar("F", bound=SkillFunction)
H = TypeVar("H", bound=HookFunction)
A = TypeVar("A", bound=ActionFunction)


@dataclass(frozen=True, slots=True)
class Command:
    """A function of a skill, with the names and patterns that reach it; a step has neither."""

    names: tuple[str, ...]
    patterns: tuple[Pattern, ...]
    function: SkillFunction
    signature: Signature

    @property
    def usage(self) -> str:
        """How to type it: `天气 <城市> [日期]`; "" of a step, which answers a question."""
        if not self.names:
            return ""
        return " ".join((self.names[0], *self.signature.usage))


@dataclass(slots=True)
class Skill:
    """Something that the bot can do.

    Args:
        name: short and unique, for logs.
        summary: a line for the help, in Chinese; it may end in an example, as in
            `查天气，如：天气 北京 明天`.
        timeout_s: how long it may take; None for the setting `DINGDA_SKILL_TIMEOUT`.
        private: whether its answers go to the sender alone, even if asked in a group.
        allow: the people and chats that may use it.
        overtakes: whether its answers may come before those to earlier messages of the same sender.
            For quick skills that depend on nothing said before: they need not wait for slow ones.

    >>> skill = Skill("dice", summary="掷骰子")
    >>> @skill.command("骰子", "dice")
    ... def roll(sides: int = 6) -> str:
    ...     return f"这是 {sides} 面的"
    >>> asyncio.run(ask(skill, "骰子20")).content
    '这是 20 面的'
    """

    name: str
    summary: str
    timeout_s: float | None = None
    private: bool = False
    allow: Allow = EVERYONE
    overtakes: bool = False
    commands: list[Command] = field(default_factory=list, init=False)
    steps: dict[str, Command] = field(default_factory=dict, init=False)
    hooks: list[Hook] = field(default_factory=list, init=False)
    actions: list[ActionHandler] = field(default_factory=list, init=False)

    @property
    def title(self) -> str:
        """The summary without its example, to name the skill in a sentence."""
        return self.summary.partition("，如：")[0]

    def command(self, *names: str, pattern: str | None = None) -> Callable[[F], F]:
        """Declare a command, which calls the function below it.

        Args:
            names: the command and its aliases. The text after it holds the arguments.
            pattern: a regular expression (RE2's) that reaches the function as well, found anywhere
                in the text; it is matched against simplified, lower-case, half-width characters.
                The text around it, or around its group `taken`, holds the arguments.

        Raises:
            TypeError: if the function has a parameter that can't be read from text, the pattern
                can't be matched in linear time, or another function of the skill has the name.
        """
        if not names:
            raise TypeError("a command needs a name: @skill.command('天气')")
        try:
            patterns = (Pattern(pattern),) if pattern else ()
        except UnsupportedPatternError as error:
            raise TypeError(f"skill {self.name!r}: {error}") from None

        def declare(function: F) -> F:
            self._check_names(names, function)
            signature = Signature.of(function, context_type=Context)
            self.commands.append(Command(names, patterns, function, signature))
            return function

        return declare

    def step(self, function: F) -> F:
        """Declare a step of a dialogue: a function that a `Question` may name as its `then`.

        Its parameters are read from the answer, as a command's are from the text behind its name.
        Another worker finds it by its name, in another version too.

        Raises:
            TypeError: as `command`, or if a step of this skill has the function's name.
        """
        name = function.__name__
        if name in self.steps:
            raise TypeError(f"skill {self.name!r}: {name!r} is a step already")
        self.steps[name] = Command((), (), function, Signature.of(function, context_type=Context))
        return function

    def find_step(self, name: str) -> Command | None:
        """The step of a name, or the command whose function has it; None if there is none."""
        named = (each for each in self.commands if each.function.__name__ == name)
        return self.steps.get(name) or next(named, None)

    def event(self, *types: str) -> Callable[[H], H]:
        """Declare a hook, which calls the function below it for events.

        Args:
            types: DingTalk's names of them, such as `chat_add_member`.

        Raises:
            TypeError: if the function has a parameter of another type than `Event`, `HookContext`
                or settings, another function of the skill hooks one of them, or none is named.
        """
        return self._hook(Event, types, usage="@skill.event('chat_add_member')")

    def card_action(self, *action_ids: str) -> Callable[[H], H]:
        """Declare a hook, which calls the function below it when a card's button is pressed.

        Args:
            action_ids: the `actionId` of each button, as the card's template has it; `form` for a
                form.

        Raises:
            TypeError: as `event`, but for `CardAction`.
        """
        return self._hook(CardAction, action_ids, usage="@skill.card_action('approve')")

    def schedule(
        self,
        cron: str,
        *,
        to: Target | Iterable[Target] = (),
        timezone: str = "Asia/Shanghai",
        workdays: bool = False,
        catch_up_s: int = 3600,
    ) -> Callable[[F], F]:
        """Declare a schedule, which calls the function below it, and pushes what it returns.

        Args:
            cron: minute, hour, day of the month, month, day of the week: `0 9 * * 1-5`.
            to: whom what it returns is pushed to; several get it each.
            timezone: where the expression's hours are, by its IANA name.
            workdays: whether only workdays in China count, of the days that `cron` names.
            catch_up_s: how late a tick may be run, in seconds: 60 to 86,400.

        Raises:
            TypeError: if one of these is wrong, the function has a schedule already, or a parameter
                of another type than `HookContext`, `Tick` or settings.
        """
        try:
            schedule = Schedule.of(
                cron, to=to, timezone=timezone, workdays=workdays, catch_up_s=catch_up_s
            )
        except (TypeError, ValueError) as error:
            raise TypeError(f"skill {self.name!r}: {error}") from None

        def declare(function: F) -> F:
            name = f"{self.name}.{function.__name__}"
            if any(each.subject is Tick and name in each.names for each in self.hooks):
                raise TypeError(f"skill {self.name!r}: {function.__name__} has a schedule already")
            self.hooks.append(Hook.of(function, Tick, (name,), schedule))
            return function

        return declare

    def action(self, kind: type[Any]) -> Callable[[A], A]:
        """Declare an action: the function below it is called when such a button decides.

        What it returns is shown on the card, below the name of the person who decided.

        Args:
            kind: the class of what the button carries, a frozen dataclass or a pydantic model.

        Raises:
            TypeError: if it is something else, has a function already, or the function has a
                parameter of another type than that class, `ActionContext` or settings.
        """
        check_action_type(kind)
        if any(handler.kind is kind for handler in self.actions):
            raise TypeError(f"skill {self.name!r}: {kind.__name__} has a function already")

        def declare(function: A) -> A:
            self.actions.append(ActionHandler.of(function, kind))
            return function

        return declare

    @property
    def schedules(self) -> dict[str, Schedule]:
        """Its schedules, by the names of their functions."""
        return {hook.function.__name__: hook.schedule for hook in self.hooks if hook.schedule}

    def _hook(self, subject: Subject, names: tuple[str, ...], *, usage: str) -> Callable[[H], H]:
        if {type(name) for name in names} != {str}:  # as of a decorator without its brackets
            raise TypeError(f"a hook needs a name: {usage}")

        def declare(function: H) -> H:
            hook = Hook.of(function, subject, names)
            for other in self.hooks:
                if other.subject is subject and (both := set(other.names) & set(names)):
                    which = ", ".join(sorted(both))
                    raise TypeError(f"skill {self.name!r}: {which} has a hook already")
            self.hooks.append(hook)
            return function

        return declare

    def _check_names(self, names: tuple[str, ...], function: SkillFunction) -> None:
        folded = {fold(name): name for name in names}
        for command in self.commands:
            for name in command.names:
                taken = folded.get(fold(name))
                if taken and command.function is not function:
                    other = getattr(command.function, "__name__", "another function")
                    raise TypeError(
                        f"skill {self.name!r}: {taken!r} is a command of {other} already"
                    )

    def settings_types(self) -> list[type[Any]]:
        """The settings classes that its functions take."""
        typed = (*self.commands, *self.steps.values())
        commands = [kind for command in typed for kind in command.signature.settings]
        called: list[Hook | ActionHandler] = [*self.hooks, *self.actions]
        return commands + [kind for each in called for kind in each.settings]
