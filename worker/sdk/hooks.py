"""Hooks: the functions of a skill that are called for events, card actions and ticks."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic_settings import BaseSettings

from dingda.shared.dingtalk.card_action import CardAction
from dingda.shared.dingtalk.event import Event
from dingda.shared.dingtalk.tick import Tick
from dingda.worker.sdk.context import HookContext
from dingda.worker.sdk.schedule import Schedule

HookFunction = Callable[..., Awaitable[None] | None]
Subject = type[Event] | type[CardAction] | type[Tick]


@dataclass(frozen=True, slots=True)
class Hook:
    """A function of a skill, and what it is called for."""

    names: tuple[str, ...]
    """Types of events, ids of card actions, or the schedule's name."""
    subject: Subject
    function: Callable[..., Any]
    parameters: Mapping[str, type[Any]]
    """The types of its parameters by their names: the subject, `HookContext`, settings."""
    schedule: Schedule | None = None
    """When it is called, and whom what it returns is pushed to; None of every other hook."""

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        subject: Subject,
        names: tuple[str, ...],
        schedule: Schedule | None = None,
    ) -> "Hook":
        """Read a function's signature.

        Raises:
            TypeError: if it has a parameter of another type.
        """
        hints = get_type_hints(function)
        parameters = {name: hints.get(name) for name in inspect.signature(function).parameters}
        for name, kind in parameters.items():
            is_settings = isinstance(kind, type) and issubclass(kind, BaseSettings)
            if kind not in (subject, HookContext) and not is_settings:
                raise TypeError(
                    f"{function.__module__}.{function.__qualname__}: parameter {name!r} is neither "
                    f"{subject.__name__} nor HookContext, nor settings"
                )
        return cls(names, subject, function, parameters, schedule)  # type: ignore[arg-type] # checked above

    @property
    def label(self) -> str:
        """A short name, the same in every version of the skill."""
        return self.names[0]

    @property
    def settings(self) -> list[type[BaseSettings]]:
        """The settings classes among its parameters."""
        return [kind for kind in self.parameters.values() if issubclass(kind, BaseSettings)]

    def bind(
        self,
        subject: Event | CardAction | Tick,
        ctx: HookContext,
        settings: Mapping[type[BaseSettings], BaseSettings],
    ) -> dict[str, Any]:
        """The arguments to call the function with."""
        given: dict[type[Any], Any] = {self.subject: subject, HookContext: ctx, **settings}
        return {name: given[kind] for name, kind in self.parameters.items()}
