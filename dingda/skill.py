"""Everything a skill imports, except the types it reads from a text: see `dingda.slots`.

A skill is a module with a `skill` in it, and a function for each command:

    from dingda.skill import Context, Skill

    skill = Skill("leave", summary="查剩余假期")

    @skill.command("假期", "leave")
    async def leave(year: Annotated[int, "年份"], ctx: Context) -> str:
        return ctx.localize(f"{year} 年还有 {await days_left(ctx.staff_id, year)} 天假")

`假期 2026` calls it. A parameter is read from the text by its type, a `Context` is the message
being handled, a subclass of `SkillSettings` the skill's settings. The returned string or other
`Reply` is shown; an error from this module becomes a sentence to the sender. The function stays an
ordinary function. docs/README.md leads to the rest, and `dingda.testing` calls a skill in a test.
"""

from dingda.shared.dingtalk.card import ActionButton, Card
from dingda.shared.dingtalk.card_action import CardAction
from dingda.shared.dingtalk.content import File, Picture, Quoted, Voice
from dingda.shared.dingtalk.event import Event
from dingda.shared.dingtalk.markdown import link, plain
from dingda.shared.dingtalk.media import FileMessage, Image, MediaId, picture_markdown
from dingda.shared.dingtalk.message import Mention, Message
from dingda.shared.dingtalk.push import Group, User
from dingda.shared.dingtalk.reply import (
    MAX_TITLE_CHARS,
    ActionCard,
    At,
    Button,
    FeedCard,
    FeedLink,
    Markdown,
    Reply,
    Text,
)
from dingda.shared.dingtalk.shortening import shorten
from dingda.shared.dingtalk.tick import Tick
from dingda.shared.errors import InvalidReplyError
from dingda.shared.runtime.clock import CHINA
from dingda.shared.runtime.limits import LIMITS_MEANING, NO_LIMITS, Limits, LimitsSetting
from dingda.shared.runtime.logs import identifier
from dingda.worker.errors import (
    MALFORMED,
    ArgumentNeeded,
    BackendBusyError,
    BackendConfigError,
    BackendError,
    BackendProtocolError,
    BackendQuotaError,
    BackendUnavailableError,
    ClarificationNeeded,
    RefusalError,
    SkillError,
)
from dingda.worker.sdk.actions import ActionContext
from dingda.worker.sdk.context import Context, HookContext
from dingda.worker.sdk.growing import GrowingAnswer
from dingda.worker.sdk.question import Question
from dingda.worker.sdk.services import Services
from dingda.worker.sdk.settings import SkillSettings
from dingda.worker.sdk.skill import Allow, Skill
from dingda.worker.services.address_book import AddressBook, Person
from dingda.worker.services.backend import Backend
from dingda.worker.services.cache import Cache
from dingda.worker.services.database import Bounds, Databases
from dingda.worker.services.http_client import Http, JSONResponse
from dingda.worker.services.media import Media
from dingda.worker.services.media_file import MediaFile

__all__ = [
    "CHINA",
    "LIMITS_MEANING",
    "MALFORMED",
    "MAX_TITLE_CHARS",
    "NO_LIMITS",
    "ActionButton",
    "ActionCard",
    "ActionContext",
    "AddressBook",
    "Allow",
    "ArgumentNeeded",
    "At",
    "Backend",
    "BackendBusyError",
    "BackendConfigError",
    "BackendError",
    "BackendProtocolError",
    "BackendQuotaError",
    "BackendUnavailableError",
    "Bounds",
    "Button",
    "Cache",
    "Card",
    "CardAction",
    "ClarificationNeeded",
    "Context",
    "Databases",
    "Event",
    "FeedCard",
    "FeedLink",
    "File",
    "FileMessage",
    "Group",
    "GrowingAnswer",
    "HookContext",
    "Http",
    "Image",
    "InvalidReplyError",
    "JSONResponse",
    "Limits",
    "LimitsSetting",
    "Markdown",
    "Media",
    "MediaFile",
    "MediaId",
    "Mention",
    "Message",
    "Person",
    "Picture",
    "Question",
    "Quoted",
    "RefusalError",
    "Reply",
    "Services",
    "Skill",
    "SkillError",
    "SkillSettings",
    "Text",
    "Tick",
    "User",
    "Voice",
    "identifier",
    "link",
    "picture_markdown",
    "plain",
    "shorten",
]
