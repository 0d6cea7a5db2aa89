"""The five replies that DingTalk shows, one for each of the tutorial's commands."""

from dingda.skill import ActionCard, Button, Context, FeedCard, FeedLink, Markdown, Skill, Text

skill = Skill("demo", summary="看看五种回复的样子", overtakes=True)

_TITLE = "州的先生 Python 实战教程合集"
_CARD = f" \n #### {_TITLE} \n\n 学习Python的一个好方法就是用实际的项目来熟练语言"
_SITE, _BLOG = "http://mrdoc.zmister.com", "https://zmister.com/"
_PICTURE = "https://img.alicdn.com/tfs/TB1NwmBEL9TBuNjy1zbXXXpepXa-2400-1218.png"


@skill.command("text")
async def text(ctx: Context) -> Text:
    """A text that mentions the sender."""
    return Text(f"{ctx.localize('你刚刚发的消息是：')}[{ctx.text}]", at=ctx.mention)


@skill.command("markdown")
async def markdown(ctx: Context) -> Markdown:
    """A markdown message that mentions the sender."""
    return Markdown(
        title=ctx.localize("州的先生机器人助理"),
        text=ctx.localize("## 这是什么? \n 这是一个钉钉机器人 \n "),
        at=ctx.mention,
    )


@skill.command("整体跳转")
async def one_link(ctx: Context) -> ActionCard:
    """A card that leads to one page as a whole."""
    return ActionCard(
        title=ctx.localize(_TITLE),
        text=ctx.localize(_CARD),
        link=Button(ctx.localize("阅读全文"), _SITE),
    )


@skill.command("独立跳转")
async def two_buttons(ctx: Context) -> ActionCard:
    """A card with a button for each page."""
    return ActionCard(
        title=ctx.localize(_TITLE),
        text=ctx.localize(_CARD),
        buttons=(Button(ctx.localize("去看看"), _SITE), Button(ctx.localize("不感兴趣"), _BLOG)),
    )


@skill.command("feed")
async def feed(ctx: Context) -> FeedCard:
    """A list of pages with pictures."""
    return FeedCard(
        links=(
            FeedLink(ctx.localize("时代的火车向前开1"), _SITE, _PICTURE),
            FeedLink(ctx.localize("时代的火车向前开2"), _BLOG, _PICTURE),
        )
    )
