"""Hooks: the functions of a skill that are called for events and card actions."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic_settings import BaseSettings

from dingda.shared.dingtalk.card_action import CardAction
from dingda.shared.dingtalk.event import Event
from dingda.worker.sdk.context import HookContext

HookFunction = Callable[..., Awaitable[None] | None]
Subject = type[Event] | type[CardAction]


@dataclass(frozen=True, slots=True)
class Hook:
    """A function of a skill, and what it is called for."""

    names: tuple[str, ...]
    """Types of events, or ids of card actions."""
    subject: Subject
    function: HookFunction
    parameters: Mapping[str, type[Any]]
    """The types of its parameters by their names: the subject, `HookContext`, settings."""

    @classmethod
    def of(cls, function: HookFunction, subject: Subject, names: tuple[str, ...]) -> "Hook":
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
        return cls(names, subject, function, parameters)  # type: ignore[arg-type] # checked above

    @property
    def settings(self) -> list[type[BaseSettings]]:
        """The settings classes among its parameters."""
        return [kind for kind in self.parameters.values() if issubclass(kind, BaseSettings)]

    def bind(
        self,
        subject: Event | CardAction,
        ctx: HookContext,
        settings: Mapping[type[BaseSettings], BaseSettings],
    ) -> dict[str, Any]:
        """The arguments to call the function with."""
        given: dict[type[Any], Any] = {self.subject: subject, HookContext: ctx, **settings}
        return {name: given[kind] for name, kind in self.parameters.items()}
