"""A message to the bot, of any kind that DingTalk's clients send."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter

Kind = Literal[
    "text",
    "richText",
    "markdown",
    "audio",
    "picture",
    "file",
    "video",
    "chatRecord",
    "interactiveCard",
]
"""DingTalk's msgtypes."""

_STRICT = ConfigDict(extra="forbid", strict=True)
_Name = Annotated[str, StringConstraints(min_length=1)]
WORDLESS = ("picture", "video")
"""The kinds without a text."""
MAX_PICTURES = 100
"""Of one rich text here; a number alone could make a callback of any size."""


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A person mentioned besides the bot.

    >>> UserMessage("的绩效", mentioned=(Mentioned("李四", staff_id=""),)).mentioned[0].name
    '李四'
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: _Name
    staff_id: str | None = None
    """The userid; None: derived from the name; "": hidden, as DingTalk does for people of other
    organisations."""


@dataclass(frozen=True, slots=True)
class Quotation:
    """The message that is quoted.

    >>> UserMessage("再来一次", quoted=Quotation("北京：晴")).quoted.sender is None  # the bot
    True
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    text: str
    """As in `UserMessage`."""
    kind: Kind = "text"
    sender: str | None = None
    """The sender's nickname; None for the bot."""


@dataclass(frozen=True, slots=True)
class UserMessage:
    """One message to the bot.

    >>> UserMessage("绩效", sender="李四", single=True).reaches_the_bot
    True
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    text: str
    """The words, without the mention of the bot. Of a voice message, what DingTalk understood, or
    ""; of a file, its name; of a forwarded conversation, lines such as `李四：你好`; "" of a
    picture and a video."""
    sender: _Name = "张三"
    """The sender's nickname; the ids are derived from it, so one name is one person."""
    single: bool = False
    """Whether it is sent in the single chat with the bot instead of the group."""
    group: str = ""
    """Which of several groups it is sent in, by its name; "": the one that is always there."""
    robot: str = ""
    """Which of several robots it is sent to, by its name or code; "": the first."""
    published: bool = True
    """Whether the robot is published: until then DingTalk hides the sender's userid."""
    mention: bool = True
    """Whether it mentions the bot; without that, DingTalk sends no callback from a group."""
    kind: Kind = "text"
    runs: tuple[str, ...] = ()
    """Rich text as the client cuts it, anywhere, each mention being a run: `@钉答`, `天`, `气北京`.
    Without them it is the mention and the text."""
    pictures: int = 0
    """How many pictures come before the words of a rich text."""
    mentioned: tuple[Mentioned, ...] = ()
    """The others mentioned in the group. DingTalk takes their names out of the words."""
    at_all: bool = False
    """Whether @所有人 comes before the words, where DingTalk leaves it."""
    quoted: Quotation | None = None
    client: str = "Mac"
    """The sender's client: Mac, Win, iOS, Android, HarmonyOS."""
    external: bool = False
    """Whether the sender is of another organisation: then DingTalk hides the userid."""
    file: str = ""
    """The id, from `/api/files`, of what a picture, file, voice message or video holds; "": a
    sample."""

    def __post_init__(self) -> None:
        if self.kind != "richText" and (self.runs or self.pictures):
            raise ValueError("runs and pictures belong to the kind richText")
        if self.runs and self.text:
            raise ValueError('rich text has its words in the runs, or in the text: "" beside runs')
        if not 0 <= self.pictures <= MAX_PICTURES:
            raise ValueError(f"pictures must be from 0 to {MAX_PICTURES}")
        if self.kind in WORDLESS and self.text:
            raise ValueError(f'a {self.kind} has no words: text must be ""')
        if self.single and self.group:
            raise ValueError('a single chat is in no group: group must be ""')
        if self.single and (self.mentioned or self.at_all):
            raise ValueError("nobody is mentioned in a single chat; there an @ is typed text")

    @property
    def reaches_the_bot(self) -> bool:
        """Whether DingTalk delivers it at all."""
        return self.single or self.mention

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "UserMessage":
        """Read what `to_json` wrote; only `text` must be there.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return _ADAPTER.validate_json(body)


@dataclass(frozen=True, slots=True)
class Burst:
    """The same message many times at once.

    >>> burst = Burst(UserMessage("天气 北京", single=True), count=3, senders=2)
    >>> [message.sender for message in burst.messages]
    ['张三 1', '张三 2', '张三 1']
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    message: UserMessage
    count: Annotated[int, Field(ge=1, le=500)]
    senders: Annotated[int, Field(ge=1, le=500)] = 1
    """By how many people: their names are the sender's, with a number. The bot answers what one
    person says in its order, and DingTalk takes 20 replies a minute in one conversation."""

    @property
    def messages(self) -> list[UserMessage]:
        """What is sent."""
        if self.senders == 1:
            return [self.message] * self.count
        return [
            replace(self.message, sender=f"{self.message.sender} {number % self.senders + 1}")
            for number in range(self.count)
        ]

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _BURST.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "Burst":
        """Read what `to_json` wrote.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return _BURST.validate_json(body)


_ADAPTER = TypeAdapter(UserMessage)
_BURST = TypeAdapter(Burst)
