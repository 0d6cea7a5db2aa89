"""A recorder of what a skill pushes, for tests."""

from collections.abc import Iterator, Sequence
from typing import overload

from dingda.shared.dingtalk.push import Push, Target
from dingda.shared.dingtalk.reply import Reply, Text


class Pushes(Sequence[Push]):
    """What was pushed, in order, each push once; give it to `ask`, `listen` or `fire`.

    >>> pushes = Pushes()
    >>> @skill.command("提醒")
    ... async def remind(ctx: Context) -> str:
    ...     await ctx.push(User("0002"), "记得打卡")
    ...     return "好"
    >>> print(asyncio.run(ask(skill, "提醒", pushes=pushes)).content, pushes[0].target)
    好 User(staff_id='0002')
    """

    def __init__(self) -> None:
        self._pushes: dict[str, Push] = {}

    async def push(self, target: Target, reply: Reply | str, *, key: str) -> bool:
        """Note a push; False if there was one under its key."""
        push = Push(target, key, Text(reply) if isinstance(reply, str) else reply)
        return self._pushes.setdefault(key, push) is push

    @overload
    def __getitem__(self, index: int) -> Push: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Push]: ...
    def __getitem__(self, index: int | slice) -> Push | Sequence[Push]:
        """One push, or some of them."""
        return list(self._pushes.values())[index]

    def __iter__(self) -> Iterator[Push]:
        """The pushes, in order."""
        return iter(self._pushes.values())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._pushes)
