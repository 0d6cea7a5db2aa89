"""A corpus of typed phrases: prints what is not understood, and the share of each skill.

    python -m tests.unit.worker.language.corpus [file]

The router reads the phrases with every shipped skill. `phrases.txt` explains its format, and
`CONTRIBUTING.md` how a phrase is judged.
"""

import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dingda.shared.runtime.skill_modules import SHIPPED, SHOWCASE
from dingda.slots import Day, Period
from dingda.worker.answering.routing import Router
from dingda.worker.errors import SkillError
from dingda.worker.language.places import Place
from dingda.worker.language.text import fold, to_traditional
from dingda.worker.sdk.loader import load_skill_settings, load_skills
from dingda.worker.skills.coupons.wish import Order, Wish
from dingda.worker.skills.performance import name_in
from dingda.worker.skills.weather.question import Asked, Question

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
CORPUS = Path(__file__).parent / "phrases.txt"
SKILLS = load_skills((*SHIPPED, SHOWCASE))
SETTINGS = load_skill_settings(SKILLS)
ROUTER = Router(SKILLS)


class Phrase(NamedTuple):
    """A typed text and its meaning."""

    skill: str
    typed: str
    meaning: str
    beyond_us: bool


def corpus(path: Path = CORPUS) -> list[Phrase]:
    """Every phrase of a file, in both scripts."""
    lines = path.read_text("utf-8").splitlines()
    phrases = []
    for line in lines:
        if line and not line.startswith("#"):
            skill, typed, meaning = line.split("\t")
            beyond = "!" in typed[:1] + meaning[:1]
            typed, meaning = typed.removeprefix("!"), meaning.removeprefix("!")
            phrases += [
                Phrase(skill, each, meaning, beyond)
                for each in dict.fromkeys((typed, to_traditional(typed)))
            ]
    return phrases


def understood(phrase: Phrase) -> str:
    """The meaning that the bot reads, as the corpus writes it."""
    route = ROUTER.route(phrase.typed)
    if route is None or route.skill.name != phrase.skill:
        return "-"
    command = route.command
    try:
        bound = command.signature.bind(
            route.arguments, usage=command.usage, ctx=None, now=NOW, settings=SETTINGS
        )
    except SkillError:
        return "?"
    match phrase.skill:
        case "weather":
            return weather(bound["question"])
        case "performance":
            period = bound["period"]
            return performance(name_in(bound["who"]), period)
        case "coupons":
            wish = bound["wish"]
            assert isinstance(wish, Wish)
            return coupons(wish)
        case _:
            arguments = [bound[parameter.name] for parameter in command.signature.parameters]
            return " ".join(str(each) for each in arguments if each is not None)


def weather(question: Question) -> str:
    return "; ".join(map(one_place, question.asked)) or "?"


def one_place(asked: Asked) -> str:
    name = asked.where.name if isinstance(asked.where, Place) else f"={asked.where}"
    return f"{name} {days(asked.day)}".strip()


def days(day: Day | None) -> str:
    if day is None:
        return ""
    ahead = [(each - NOW.date()).days for each in day.dates]
    if ahead != list(range(ahead[0], ahead[0] + len(ahead))):
        return ",".join(map(str, ahead))
    return f"{ahead[0]}" + (f"x{day.count}" if day.count > 1 else "")


def performance(name: str, period: Period | None) -> str:
    return f"{name or 'me'} {period.key if period else ''}".strip()


def coupons(wish: Wish) -> str:
    order = "" if wish.order is Order.BEST_COUPON else wish.order.value
    narrowed = "free shipping" if wish.free_shipping else ""
    return " ".join(filter(None, (wish.keyword, price(wish), order, narrowed)))


def price(wish: Wish) -> str:
    if wish.price is None:
        return ""
    low, high = wish.price.low, wish.price.high
    if low is not None and high is not None:
        return f"{float(low):g} to {float(high):g}"
    return f"max {float(high):g}" if high is not None else f"min {float(low or 0):g}"


def is_right(phrase: Phrase) -> bool:
    got, meant = understood(phrase), phrase.meaning
    # Folded, the marks of a question and of silence would both be "".
    return got == meant if {got, meant} & {"?", "-"} else fold(got) == fold(meant)


def main() -> None:
    """Print the phrases not understood, and the share of each skill."""
    phrases = corpus(Path(sys.argv[1]) if len(sys.argv) > 1 else CORPUS)
    wrong = [phrase for phrase in phrases if not is_right(phrase)]
    for phrase in wrong:
        sys.stdout.write(f"{phrase.typed}: {understood(phrase)}, not {phrase.meaning}\n")
    missed = Counter(phrase.skill for phrase in wrong)
    for skill, count in Counter(phrase.skill for phrase in phrases).items():
        right = count - missed[skill]
        sys.stdout.write(f"{skill}: {right} of {count}, {right / count:.1%}\n")


if __name__ == "__main__":
    main()
