"""A skill that asks for words one after the other, and says all of them in the end."""

import asyncio

from dingda.skill import Context, Question, Skill

skill = Skill("asking", summary="一个一个地问")
WORDS = 3


@skill.command("接龙")
def begin() -> Question:
    """Ask for the first of three words."""
    return Question("第 1 个？", then=go_on)


@skill.step
async def go_on(word: str, ctx: Context) -> Question | str:
    """Take a word; one that begins with 慢 takes a while."""
    if word.startswith("慢"):
        await asyncio.sleep(2)
    words = [*ctx.kept.get("words", []), word]
    if len(words) == WORDS:
        return "接好了：" + "、".join(words)
    return Question(f"第 {len(words) + 1} 个？", then=go_on, keep={"words": words})
