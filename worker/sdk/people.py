"""The person that a message is about: mentioned or named, and looked up in DingTalk's address book.

People are identified by userid alone; names are not unique. The person is never guessed: where
several could be meant, or a mention hides its userid, the sender is asked.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from dingda.shared.dingtalk.message import Mention, Message
from dingda.shared.texts import (
    NO_ADDRESS_BOOK,
    NOT_IN_ADDRESS_BOOK,
    ONE_PERSON,
    SENDER_HIDDEN,
    WHICH_PERSON,
    WHO,
)
from dingda.worker.errors import BackendConfigError, ClarificationNeeded, RefusalError
from dingda.worker.language.patterns import Pattern
from dingda.worker.language.text import FoldedText, fold, to_simplified, to_traditional
from dingda.worker.sdk.values import with_usage
from dingda.worker.services.address_book import AddressBook, Person

_MOST_CANDIDATES = 10
_MOST_PARTS = 5
_BLANKS = r"[\s,，。、？?!！：:~]"
_NOISE = Pattern(
    rf"^(?:请问|麻烦|帮我|帮忙|想知道|查一下|查查|查询|看一下|看看|告诉我|一下|关于|{_BLANKS})+"
    rf"|(?:的|是谁|是哪位|谁|在吗|在不在|在哪儿?|什么时候|怎么样|怎样|如何|呢|吗|吧|啊|呀|谢谢|{_BLANKS})+$"
)
_BETWEEN = Pattern(r"[\s,，、/&()（）·]+|和|与|跟|及")
_MARKS = Pattern(r"[^\pL\pN]+")
_OWN = frozenset({"我", "我自己", "自己", "本人", "我本人", "me", "my", "myself", "mine"})
_SOMEBODY = Pattern(
    r"^(?:他|她|它|ta|你|您|我们|咱们|他们|她们|你们|大家|所有人|全体|[这那]个?人|[这那]位|某人|有人)"
    r"(?:们|的?组|的?部门|的?团队|几个?人?)?$"
)
"""Words for people that name nobody: only earlier messages tell whom they mean."""


@dataclass(frozen=True, slots=True)
class Named:
    """The names and mentions in a message, before anybody is looked up."""

    command: str
    usage: str = field(repr=False)
    """How to type the command."""
    text: str = field(repr=False)
    """Everything typed besides the command."""
    mentions: tuple[Mention, ...] = ()
    typed: tuple[str, ...] = field(default=(), repr=False)
    """The names behind an @ that was typed by hand; one of them may be the bot's."""
    word: str = field(default="", repr=False)
    """A name in the rest of the text."""

    def suggest(self, label: str) -> str:
        """The same command with this person's name in it."""
        if self.word and self.word in self.text:
            return f"{self.command} {self.text.replace(self.word, f' {label} ', 1)}"
        return f"{self.command} {label} {'' if self.word else self.text}"

    def with_usage(self, sentence: str) -> str:
        """A sentence, and how to type the command."""
        return with_usage(sentence, self.usage)


def extract_named(
    words: FoldedText, message: Message, typed: Sequence[str], *, last: bool, usage: str, text: str
) -> tuple[Named, FoldedText] | None:
    """Find the names and mentions of people in a message.

    Args:
        words: what is left of the text.
        message: the message; its mentions take precedence.
        typed: the names behind an @ at the edges of the text.
        last: whether all that is left may name the person; otherwise one word of it at most.
        usage: how to type the command.
        text: everything typed besides the command.

    Returns:
        What was found and the words that are left; None if nobody is named.
    """
    rest = words.rest
    if last:
        word, left = name_in(rest), ""
    else:
        parts = rest.split()
        marked = [part for part in parts if part[0] in "@＠"]
        # With a mention, or a name at an edge of the text, no unmarked word is a name.
        taken = marked[:1] or ([] if message.mentions or typed else parts[:1])
        word = "".join(taken).lstrip("@＠")
        left = " ".join(part for part in parts if part not in taken)
    if not (word or typed or message.mentions):
        return None
    command = usage.partition(" ")[0]
    named = Named(command, usage, text, _distinct(message.mentions), tuple(typed), word)
    return named, FoldedText.of(left)


def name_in(words: str) -> str:
    """The name in a text, without polite and question words around it; or ""."""
    return _NOISE.replace("", words).lstrip("@＠")


async def look_up(named: Named, message: Message, address_book: AddressBook | None) -> Person:
    """Find out who is meant.

    Raises:
        ClarificationNeeded: if several people may be meant, or nobody is named; each suggestion
            means one person.
        RefusalError: if nobody in the address book has the name, or there is no address book.
        BackendError: if the address book can't be reached.
    """
    if len(named.mentions) > 1:
        names = [mention.name for mention in named.mentions if mention.name]
        raise ClarificationNeeded(ONE_PERSON, suggestions=tuple(map(named.suggest, names)))
    if not named.mentions:
        return await _looked_up_by_name(named, message, address_book)
    (mention,) = named.mentions
    if not mention.staff_id:
        raise await _question_about_hidden(named, mention, address_book)
    if address_book is None:
        return Person(mention.staff_id, mention.name)
    also_named = await _find(address_book, named.word) if named.word else []
    if also_named and mention.staff_id not in also_named:
        raise ClarificationNeeded(ONE_PERSON, suggestions=(named.suggest(named.word),))
    person = await address_book.person(mention.staff_id)
    if person is None:
        raise RefusalError(named.with_usage(NOT_IN_ADDRESS_BOOK.format(name=mention.name)))
    return person


async def _question_about_hidden(
    named: Named, mention: Mention, address_book: AddressBook | None
) -> Exception:
    """Ask about a mention whose userid DingTalk hides, as it does for external contacts.

    A colleague may have the same name, so even a single match needs confirmation.
    """
    if not (mention.name and address_book):
        return ClarificationNeeded(named.with_usage(WHO))
    people = await _people(address_book, await _find(address_book, mention.name))
    if not people:
        return RefusalError(named.with_usage(NOT_IN_ADDRESS_BOOK.format(name=mention.name)))
    return await _which(named, people, address_book)


async def _looked_up_by_name(
    named: Named, message: Message, address_book: AddressBook | None
) -> Person:
    names = tuple(dict.fromkeys(filter(None, (named.word, *named.typed))))
    if any(map(_means_nobody, names)):
        raise ClarificationNeeded(named.with_usage(WHO))
    own = any(fold(name) in _OWN for name in names)
    others = [name for name in names if fold(name) not in _OWN]
    if address_book is None:
        # A name behind an @ may be the bot's; it doesn't make "me" another person.
        if own and not (named.word and others[:1] == [named.word]):
            return _sender(message)
        raise RefusalError(NO_ADDRESS_BOOK)
    found = [await _search(named, name, address_book) for name in others]
    people = list({person.staff_id: person for each in found for person in each}.values())
    if own:
        sender = _sender(message)
        known = await address_book.person(sender.staff_id) or sender
        people = [known, *(person for person in people if person.staff_id != sender.staff_id)]
    if not people:
        raise RefusalError(named.with_usage(NOT_IN_ADDRESS_BOOK.format(name=names[0])))
    if len(people) > 1:
        raise await _which(named, people, address_book)
    return people[0]


def _means_nobody(name: str) -> bool:
    return bool(_SOMEBODY.search(fold(name)))


def _sender(message: Message) -> Person:
    if not message.sender_staff_id:
        raise RefusalError(SENDER_HIDDEN)
    return Person(message.sender_staff_id, message.sender_nick)


async def _search(named: Named, words: str, address_book: AddressBook) -> list[Person]:
    """The people that a name may mean, perhaps with their department or title: 李伟（市场部）.

    Raises:
        ClarificationNeeded: if there are more words than a name.
    """
    if whole := await _people(address_book, await _find(address_book, words)):
        return whole
    parts = list(dict.fromkeys(filter(None, _BETWEEN.replace(" ", words).split())))[:_MOST_PARTS]
    if len(parts) == 1 and parts[0] == words:
        return []
    ids = await asyncio.gather(*(_find(address_book, part) for part in parts))
    found = [await _people(address_book, each) for each in ids if each]
    if len(found) != 1:
        return [person for people in found for person in people]
    (people,) = found
    labels = await _labels(people, address_book)
    beside = [fold(part) for part, each in zip(parts, ids, strict=True) if not each]
    exactly = [person for person, label in labels if fold(label) == fold(words)]
    fitting = [
        person
        for person, label in labels
        if all(each in (*fold(label).split(), fold(person.staff_id)) for each in beside)
    ]
    for chosen in (exactly, fitting):
        if len(chosen) == 1:
            return chosen
    raise await _which(named, fitting or people, address_book)


async def _find(address_book: AddressBook, name: str) -> list[str]:
    """The userids of a name, whichever script the address book writes it in."""
    for spelling in dict.fromkeys((name, to_simplified(name), to_traditional(name))):
        if found := await address_book.find(spelling):
            return found[:_MOST_CANDIDATES]
    return []


async def _people(address_book: AddressBook, staff_ids: Sequence[str]) -> list[Person]:
    people = await asyncio.gather(*map(address_book.person, staff_ids))
    return [person for person in people if person]


async def _which(
    named: Named, people: Sequence[Person], address_book: AddressBook
) -> ClarificationNeeded:
    labels = [label for _, label in await _labels(people, address_book)]
    return ClarificationNeeded(WHICH_PERSON, suggestions=tuple(map(named.suggest, labels)))


async def _labels(people: Sequence[Person], address_book: AddressBook) -> list[tuple[Person, str]]:
    """Each person with a label that no other has."""
    departments = await asyncio.gather(*(_departments(each, address_book) for each in people))
    labels = [
        _label(person, *names, person.title)
        for person, names in zip(people, departments, strict=True)
    ]
    taken = [*map(fold, labels), *(fold(person.name) for person in people)]
    return [
        (person, label)
        # The list holds the names alone, too.
        if taken.count(fold(label)) == (1 if label != person.name else 2)
        else (person, _label(person, *names, person.title, person.staff_id))
        for person, names, label in zip(people, departments, labels, strict=True)
    ]


def _label(person: Person, *marks: str) -> str:
    """A name with the marks that tell namesakes apart, as one word, without blanks."""
    marked = "·".join(filter(None, (_MARKS.replace("·", mark).strip("·") for mark in marks)))
    return f"{person.name}（{marked}）" if marked else person.name


async def _departments(person: Person, address_book: AddressBook) -> list[str]:
    try:
        return await asyncio.gather(*map(address_book.department, person.department_ids))
    except BackendConfigError:
        # Reading departments needs a permission of its own; titles may suffice.
        return []


def _distinct(mentions: Sequence[Mention]) -> tuple[Mention, ...]:
    """Each person once; two mentions with hidden userids may be two people."""
    known = {mention.staff_id: mention for mention in mentions if mention.staff_id}
    return (*known.values(), *(mention for mention in mentions if not mention.staff_id))
