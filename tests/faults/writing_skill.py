"""A skill that writes its answer line by line."""

import asyncio

from dingda.skill import Context, Skill

skill = Skill("writing", summary="写诗", timeout_s=60)
LINES = 6
WHOLE = "\n".join(f"第{number}行" for number in range(LINES))


@skill.command("写诗")
async def poem(ctx: Context) -> None:
    """Six lines, one a second."""
    async with ctx.stream() as answer:
        for number in range(LINES):
            await answer.write(f"第{number}行\n")
            await asyncio.sleep(1)
