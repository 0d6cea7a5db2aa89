"""The signature of a skill's function, and its arguments read from a message.

A parameter's type says how it is read:

* a *slot* such as `dingda.slots.Place` or `Day`: found anywhere in the text;
* `int`, `float`, `Decimal`: the first number;
* a `Literal[...]` of words: the one that is there;
* `str`: what is left. Of several, the last takes the rest, each other one a word;
* `Person`: whoever is mentioned, or named in what is left; `worker.sdk.people` looks them up;
* `Picture`, `File`, `Voice`, `Quoted`: not read from the text, but sent beside it, or in the
  quoted message.

`X | None` or a default makes it optional; `Annotated[str, "城市"]` gives it a name that people
know. A parameter of type `Context` gets the message being handled, one of a pydantic-settings class
its settings. `worker.sdk.values` finds the values.
"""

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic_settings import BaseSettings

from dingda.shared.dingtalk.message import Message
from dingda.shared.runtime.logs import class_name
from dingda.shared.texts import MISSING, NOT_SENT, NOT_UNDERSTOOD, USAGE_WITH_IT
from dingda.worker.errors import ArgumentNeeded
from dingda.worker.language.text import FoldedText
from dingda.worker.sdk.people import extract_named
from dingda.worker.sdk.values import SENT, TEXTS, extract_value, is_readable, with_usage
from dingda.worker.services.address_book import Person


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter to be read from the text."""

    name: str
    kind: Any
    label: str
    required: bool
    default: Any


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a function, by where their values come from."""

    parameters: tuple[Parameter, ...]
    """Those read from the text."""
    context: str | None
    """The name of the one that gets the `Context`; None without one."""
    settings_parameters: tuple[tuple[str, type[BaseSettings]], ...]
    sent_parameters: tuple[Parameter, ...] = ()
    """Those sent beside the text."""

    @classmethod
    def of(cls, function: Callable[..., Any], *, context_type: type) -> "Signature":
        """Read a function's signature.

        Raises:
            TypeError: if a parameter has no type, or one that can't be read from text.
        """
        hints = get_type_hints(function, include_extras=True)
        parameters: list[Parameter] = []
        sent: list[Parameter] = []
        settings: list[tuple[str, type[BaseSettings]]] = []
        context = None
        for name, parameter in inspect.signature(function).parameters.items():
            hint = hints.get(name)
            if hint is context_type:
                context = name
            elif isinstance(hint, type) and issubclass(hint, BaseSettings):
                settings.append((name, hint))
            else:
                read = _parameter(function, parameter, hint)
                (sent if read.kind in SENT else parameters).append(read)
        if sum(read.kind is Person for read in parameters) > 1:
            raise TypeError(
                f"{_name(function)}: one Person at the most, because DingTalk does not tell "
                "the order of mentions"
            )
        return cls(tuple(parameters), context, tuple(settings), tuple(sent))

    @property
    def settings(self) -> list[type[BaseSettings]]:
        """The settings classes among its parameters."""
        return [kind for _, kind in self.settings_parameters]

    @property
    def usage(self) -> list[str]:
        """Its arguments as people type them: `<城市>`, or `[日期]` for one that may be left out."""
        return [f"<{p.label}>" if p.required else f"[{p.label}]" for p in self.parameters]

    def bind(
        self,
        words: FoldedText,
        *,
        usage: str,
        ctx: Any,
        now: datetime,
        settings: Mapping[type[BaseSettings], BaseSettings],
    ) -> dict[str, Any]:
        """Read the arguments.

        Args:
            words: what was typed besides the command.
            usage: how to type the command, for a sender who typed it wrong; "" in a step.
            ctx: the `Context`.
            now: the present.
            settings: an instance of each settings class.

        Raises:
            ArgumentNeeded: if an argument is missing or was not understood; the text tells the
                sender which.
            ClarificationNeeded: what a slot raises.
            RefusalError: what a slot raises.
        """
        bound: dict[str, Any] = {name: settings[kind] for name, kind in self.settings_parameters}
        if self.context:
            bound[self.context] = ctx
        for sent in self.sent_parameters:
            value = SENT[sent.kind](ctx.message)
            if value is None and sent.required:
                sentence = NOT_SENT.format(label=sent.label)
                usage_with_it = with_usage(sentence, usage, USAGE_WITH_IT)
                raise ArgumentNeeded(usage_with_it, lacking=sent.label)
            bound[sent.name] = sent.default if value is None else value
        # Slots first: they know what they look for. Text takes what is left.
        typed = words.rest
        for parameter in sorted(self.parameters, key=lambda p: p.kind in TEXTS):
            last = parameter.kind not in TEXTS or parameter is self._texts[-1]
            extracted = (
                extract_named(words, ctx.message, ctx.names, last=last, usage=usage, text=typed)
                if parameter.kind is Person
                else extract_value(parameter.kind, words, now, last=last, usage=usage)
            )
            if extracted is not None:
                bound[parameter.name], words = extracted
            elif parameter.required:
                template = NOT_UNDERSTOOD if words.rest else MISSING
                sentence = template.format(label=parameter.label, rest=words.rest)
                raise ArgumentNeeded(
                    with_usage(sentence, usage), lacking=parameter.label, rest=words.rest
                )
            else:
                bound[parameter.name] = parameter.default
        return bound

    def types_of(self, bound: Mapping[str, Any]) -> dict[str, str]:
        """The types of bound arguments by their names, without those that are not the sender's."""
        given = (*self.parameters, *self.sent_parameters)
        return {each.name: class_name(bound[each.name]) for each in given}

    def answers_to(self, message: Message) -> bool:
        """Whether a message carries, besides its text, everything that is required."""
        needed = [each for each in (*self.parameters, *self.sent_parameters) if each.required]
        return bool(needed) and all(
            each.kind in SENT and SENT[each.kind](message) is not None for each in needed
        )

    def is_sent_something(self, message: Message) -> bool:
        """Whether a message carries, besides its text, anything that is asked for."""
        return any(SENT[each.kind](message) is not None for each in self.sent_parameters)

    def is_about_people(self, message: Message, names: Sequence[str]) -> bool:
        """Whether a message names somebody, besides its text, and a `Person` is asked for."""
        named = bool(message.mentions or names)
        return named and any(each.kind is Person for each in self.parameters)

    @property
    def _texts(self) -> list[Parameter]:
        return [parameter for parameter in self.parameters if parameter.kind in TEXTS]


def _parameter(function: Callable[..., Any], parameter: inspect.Parameter, hint: Any) -> Parameter:
    label = None
    if get_origin(hint) is Annotated:
        hint, label, *_ = get_args(hint)
    kind, optional = _without_none(hint)
    if get_origin(kind) is Annotated:
        kind, label, *_ = get_args(kind)
    if not is_readable(kind):
        raise TypeError(
            f"{_name(function)}: parameter {parameter.name!r} can't be read from text; "
            "docs/arguments.md names the types that can"
        )
    has_default = parameter.default is not inspect.Parameter.empty
    return Parameter(
        name=parameter.name,
        kind=kind,
        label=str(label or getattr(kind, "label", parameter.name)),
        required=not optional and not has_default,
        default=parameter.default if has_default else None,
    )


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not types.NoneType]
        if len(kinds) == 1:
            return kinds[0], True
    return hint, False
