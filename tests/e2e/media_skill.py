"""A skill that reads what was sent, and shows what it made."""

from hashlib import sha256

from dingda.skill import Context, File, Image, Picture, Skill

skill = Skill("media", summary="图片和文件")


@skill.command("识图")
async def look(picture: Picture, ctx: Context) -> str:
    """The type and the digest of a picture."""
    file = await ctx.download(picture)
    return f"{file.content_type} {sha256(file.content).hexdigest()}"


@skill.command("存档")
async def keep(file: File, ctx: Context) -> str:
    """The name and the digest of a file."""
    kept = await ctx.download(file)
    return f"{kept.name} {sha256(kept.content).hexdigest()}"


@skill.command("画图")
async def draw(ctx: Context) -> Image:
    """A picture of our own."""
    return Image(await ctx.upload(b"\x89PNG\r\n\x1a\n" + b"a plot", "plot.png"))
