"""Scripts for many callers in one trip to Redis.

A worker holds hundreds of messages, and each takes several steps in the ledger. Steps that are
asked for at one moment share a pipeline; who asks during a trip goes with the next one.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError

_MAX_BATCH = 256


class _Call(NamedTuple):
    script: AsyncScript
    arguments: Sequence[Any]
    answer: "asyncio.Future[Any]"


class Trips:
    """Runs scripts that share their keys.

    Args:
        redis: the client to run them with.
        keys: KEYS of every script.
    """

    def __init__(self, redis: Redis, keys: Sequence[str]) -> None:
        self._redis = redis
        self._keys = keys
        self._calls: list[_Call] = []
        self._travelling: asyncio.Task[None] | None = None

    async def run(self, script: AsyncScript, arguments: Sequence[Any]) -> Any:
        """Run a script and return what it returns; raises what the client raises."""
        loop = asyncio.get_running_loop()
        call = _Call(script, arguments, loop.create_future())
        self._calls.append(call)
        if self._travelling is None:
            self._travelling = loop.create_task(self._travel())
        return await call.answer

    async def _travel(self) -> None:
        try:
            while self._calls:
                batch, self._calls = self._calls[:_MAX_BATCH], self._calls[_MAX_BATCH:]
                # Who is gone must not take a step after all.
                await self._make([call for call in batch if not call.answer.done()])
        finally:
            self._travelling = None

    async def _make(self, batch: Sequence[_Call]) -> None:
        try:
            answers = await self._execute(batch)
            if any(isinstance(answer, NoScriptError) for answer in answers):
                answers = await self._execute_unknown(batch, answers)
        except Exception as error:  # noqa: BLE001 - each caller hears what became of its call
            answers = [error] * len(batch)
        for call, answer in zip(batch, answers, strict=True):
            if call.answer.done():
                continue
            if isinstance(answer, Exception):
                call.answer.set_exception(answer)
            else:
                call.answer.set_result(answer)

    async def _execute(self, batch: Sequence[_Call]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for script, arguments, _ in batch:
                pipeline.evalsha(script.sha, len(self._keys), *self._keys, *arguments)
            return list(await pipeline.execute(raise_on_error=False))

    async def _execute_unknown(self, batch: Sequence[_Call], answers: list[Any]) -> list[Any]:
        """Run again what a Redis that has just started did not know; nothing of it has run."""
        unknown = [n for n, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        for script in {batch[n].script.sha: batch[n].script for n in unknown}.values():
            await self._redis.script_load(script.script)
        found = await self._execute([batch[n] for n in unknown])
        for n, answer in zip(unknown, found, strict=True):
            answers[n] = answer
        return answers
