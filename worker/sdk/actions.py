"""Actions: the functions of a skill that are called when a button of one of its cards decides."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel
from pydantic_settings import BaseSettings

from dingda.shared.dingtalk.card import name_of_action
from dingda.worker.sdk.context import BaseContext

ActionFunction = Callable[..., Awaitable[str | None] | str | None]


@dataclass(frozen=True, kw_only=True)
class ActionContext(BaseContext):
    """The person who decided on a card, and what a function may use.

    >>> @dataclass(frozen=True)
    ... class Approve:
    ...     day: str
    >>> @skill.action(Approve)
    ... def approve(approval: Approve, ctx: ActionContext) -> str:
    ...     return f"{ctx.name}（{ctx.staff_id}）批准了{approval.day}的假"
    >>> manager = People(Person("0002", "李四"))
    >>> pressed = asyncio.run(press(skill, Approve("周五"), by="0002", dingtalk=manager))
    >>> pressed.result
    '李四（0002）批准了周五的假'
    """

    staff_id: str
    """The userid of the person who pressed: one of those whom the card allows to."""
    name: str = field(repr=False)
    """Their name; the userid where DingTalk does not say."""
    out_track_id: str = ""
    """Our own id of the card."""


@dataclass(frozen=True, slots=True)
class ActionHandler:
    """A function of a skill, and the class of the actions that it is called with."""

    kind: type[Any]
    function: ActionFunction
    parameters: Mapping[str, type[Any]]
    """The types of its parameters by their names: the action, `ActionContext`, settings."""

    @classmethod
    def of(cls, function: ActionFunction, kind: type[Any]) -> "ActionHandler":
        """Read a function's signature.

        Raises:
            TypeError: if it has a parameter of another type.
        """
        hints = get_type_hints(function)
        parameters = {name: hints.get(name) for name in inspect.signature(function).parameters}
        for name, hint in parameters.items():
            is_settings = isinstance(hint, type) and issubclass(hint, BaseSettings)
            if hint not in (kind, ActionContext) and not is_settings:
                raise TypeError(
                    f"{function.__module__}.{function.__qualname__}: parameter {name!r} is neither "
                    f"{kind.__name__} nor ActionContext, nor settings"
                )
        return cls(kind, function, parameters)  # type: ignore[arg-type] # checked above

    @property
    def name(self) -> str:
        """What the class is called on cards."""
        return name_of_action(self.kind)

    schedule: None = None
    """As a hook's: no action has one."""

    @property
    def label(self) -> str:
        """A short name of it, for operators."""
        return self.kind.__name__

    @property
    def settings(self) -> list[type[BaseSettings]]:
        """The settings classes among its parameters."""
        return [kind for kind in self.parameters.values() if issubclass(kind, BaseSettings)]

    def bind(
        self,
        action: object,
        ctx: ActionContext,
        settings: Mapping[type[BaseSettings], BaseSettings],
    ) -> dict[str, Any]:
        """The arguments to call the function with."""
        given: dict[type[Any], Any] = {self.kind: action, ActionContext: ctx, **settings}
        return {name: given[kind] for name, kind in self.parameters.items()}


def check_action_type(kind: object) -> None:
    """See that a class can be an action.

    Raises:
        TypeError: if it is neither a dataclass nor a pydantic model.
    """
    if not (isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, BaseModel))):
        raise TypeError("an action is a dataclass or a pydantic model: @skill.action(Approve)")
