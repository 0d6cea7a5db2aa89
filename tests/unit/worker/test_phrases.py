"""A corpus of what people type, read by the router with every shipped skill, in both scripts.

`phrases.txt` holds it, with what is not understood as such.
"""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from worker.coupons.wish import Order, Wish
from worker.errors import SkillError
from worker.loading import load_skill_settings, load_skills
from worker.places import Place
from worker.routing import Router
from worker.skills.performance import name_in
from worker.slots import Day, Period
from worker.text import fold, to_traditional
from worker.weather.question import Asked, Question

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
SKILLS = load_skills(())
SETTINGS = load_skill_settings(SKILLS)
ROUTER = Router(SKILLS)
UNDERSTOOD = 0.95
"""What share must be, at the least."""


class Phrase(NamedTuple):
    """What is typed, and what is meant by it."""

    skill: str
    typed: str
    meaning: str
    beyond_us: bool


def corpus() -> list[Phrase]:
    lines = (Path(__file__).parent / "phrases.txt").read_text("utf-8").splitlines()
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


CORPUS = corpus()
KNOWN = [phrase for phrase in CORPUS if not phrase.beyond_us]


def understood(phrase: Phrase) -> str:
    """What is made of it, as the corpus writes meanings."""
    route = ROUTER.route(phrase.typed)
    if route is None or route.skill.name != phrase.skill:
        return "-"
    command = route.command
    try:
        bound = command.signature.bind(
            route.arguments, usage=command.usage, ask=None, now=NOW, settings=SETTINGS
        )
    except SkillError:
        return "?"
    match phrase.skill:
        case "weather":
            return weather(bound["question"])
        case "performance":
            period = bound["period"]
            return performance(name_in(bound["who"]), period)
        case _:
            wish = bound["wish"]
            assert isinstance(wish, Wish)
            return coupons(wish)


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
    # Folded, a question and silence would both be nothing.
    return got == meant if {got, meant} & {"?", "-"} else fold(got) == fold(meant)


def test_the_corpus_is_large_enough_and_has_no_phrase_twice() -> None:
    assert len({(phrase.skill, phrase.typed) for phrase in CORPUS}) == len(CORPUS) >= 300


@pytest.mark.parametrize("phrase", KNOWN, ids=lambda phrase: phrase.typed)
def test_a_phrase_is_understood(phrase: Phrase) -> None:
    assert is_right(phrase), understood(phrase)


def test_the_share_understood_is_what_we_say_it_is() -> None:
    right = [p for p in CORPUS if is_right(p)]
    assert len(right) / len(CORPUS) >= UNDERSTOOD


@pytest.mark.parametrize(
    "phrase", [p for p in CORPUS if p.beyond_us], ids=lambda phrase: phrase.typed
)
def test_what_is_said_to_be_beyond_us_is(phrase: Phrase) -> None:
    assert not is_right(phrase)
