"""From a text to the skill that answers it."""

import logging
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.skill import Skill
from dingda.worker.answering.routing import Route, Router
from dingda.worker.language.text import MAX_CHARS


def plain() -> str:
    return "好"


def with_words(words: Annotated[str, "词"]) -> str:
    return words


def a_skill(name: str, *commands: str, pattern: str | None = None, takes: bool = False) -> Skill:
    """A skill whose commands take arguments only if they say so."""
    skill = Skill(name, summary=name)
    skill.command(*commands, pattern=pattern)(with_words if takes else plain)
    return skill


def weather() -> Skill:
    return a_skill("weather", "天气", "weather", pattern=r"天气|下雨", takes=True)


def routed(router: Router, text: str) -> Route:
    route = router.route(text)
    assert route is not None
    return route


@pytest.mark.parametrize(
    "typed", ["整体跳转", "整體跳轉", " 整体跳转 ", "/整体跳转", "@钉答 整体跳转"]
)
def test_a_whole_command_reaches_its_skill_however_it_is_typed(typed: str) -> None:
    route = routed(Router([a_skill("demo", "整体跳转")]), typed)
    assert (route.skill.name, route.arguments.rest) == ("demo", "")


@pytest.mark.parametrize("typed", ["text 1", "a text", "textile", "tex", "te xt", "文本", ""])
def test_a_command_without_arguments_wants_nothing_beside_it(typed: str) -> None:
    assert Router([a_skill("demo", "text")]).route(typed) is None


@pytest.mark.parametrize(
    ("typed", "rest"),
    [
        ("天气 北京", "北京"),
        ("天气北京", "北京"),
        ("天氣 臺北", "臺北"),
        ("天气：北京", "北京"),
        ("/天气 北京", "北京"),
        ("／天气 北京", "北京"),
        ("ＷＥＡＴＨＥＲ Beijing", "Beijing"),
        ("weather北京", "北京"),
        ("@钉答 天气 北京", "北京"),
        ("天气 北京 @钉答", "北京"),
    ],
)
def test_what_follows_a_command_is_its_argument(typed: str, rest: str) -> None:
    assert routed(Router([weather()]), typed).arguments.rest == rest


@pytest.mark.parametrize("typed", ["textile", "text2", "texts 1"])
def test_a_latin_command_ends_with_its_word(typed: str) -> None:
    assert Router([a_skill("demo", "text", takes=True)]).route(typed) is None


@pytest.mark.parametrize("typed", ["text 1", "text:1", "text天气"])
def test_a_latin_command_may_be_followed_by_anything_else(typed: str) -> None:
    assert Router([a_skill("demo", "text", takes=True)]).route(typed) is not None


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_beginnings_the_longer_is_meant(order: int) -> None:
    skills = [a_skill("short", "天气", takes=True), a_skill("long", "天气预报", takes=True)][
        ::order
    ]
    route = routed(Router(skills), "天气预报 北京")
    assert (route.skill.name, route.arguments.rest) == ("long", "北京")


def test_a_whole_command_goes_before_a_beginning() -> None:
    skills = [a_skill("begins", "天气", takes=True), a_skill("whole", "天气 帮助")]
    assert routed(Router(skills), "天气 帮助").skill.name == "whole"


def test_a_beginning_goes_before_a_pattern() -> None:
    skills = [a_skill("pattern", "雨", pattern="天气", takes=True), weather()]
    assert routed(Router(skills), "天气 北京").skill.name == "weather"


def test_a_pattern_reaches_its_skill_from_anywhere_and_leaves_what_stands_around_it() -> None:
    route = routed(Router([weather()]), "北京明天會下雨嗎")
    assert (route.skill.name, route.arguments.rest) == ("weather", "北京明天會 嗎")


def test_patterns_are_tried_in_the_order_of_the_skills() -> None:
    skills = [a_skill("first", "一", pattern="雨"), a_skill("second", "二", pattern="下雨")]
    assert routed(Router(skills), "会下雨吗").skill.name == "first"


def test_a_command_is_found_with_its_mention_still_on_it() -> None:
    route = routed(Router([a_skill("demo", "text")]), "@钉答\u2005text")
    assert (route.skill.name, route.text) == ("demo", "text")


def test_the_text_stays_as_it_was_typed() -> None:
    assert routed(Router([weather()]), " 天氣 Ｂeijing ").text == "天氣 Ｂeijing"


def test_a_text_that_is_too_long_is_no_command() -> None:
    router = Router([weather()])
    longest = "天气 " + "北" * (MAX_CHARS - 3)
    assert router.route(longest) is not None
    assert router.route(longest + "北") is None


def test_invisible_characters_and_blanks_do_not_count_towards_the_length() -> None:
    assert Router([weather()]).route("天气" + "\u200b " * MAX_CHARS) is not None


def test_of_two_skills_that_claim_a_command_the_first_has_it_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    skills = [a_skill("first", "查"), a_skill("second", "查", "二")]
    with caplog.at_level(logging.WARNING):
        router = Router(skills)
    assert routed(router, "查").skill.name == "first"
    assert routed(router, "二").skill.name == "second"
    assert [record.getMessage() for record in caplog.records] == [
        "first has '查', which second claims as well"
    ]


def test_commands_that_only_differ_in_spelling_are_the_same_command(
    caplog: pytest.LogCaptureFixture,
) -> None:
    router = Router([a_skill("first", "Feed"), a_skill("second", "ｆｅｅｄ")])
    assert routed(router, "feed").skill.name == "first"
    assert "claims as well" in caplog.text


def test_without_skills_nothing_is_wanted() -> None:
    router = Router([])
    assert router.route("天气") is None
    assert router.similar("天气") == []


def test_similar_commands_are_named_as_they_are_declared() -> None:
    router = Router([a_skill("demo", "Markdown"), a_skill("other", "整体跳转")])
    assert router.similar("markdwon") == ["Markdown"]
    assert router.similar("整體跳") == ["整体跳转"]


def test_an_alias_is_suggested_under_the_first_name_and_once() -> None:
    router = Router([a_skill("help", "帮助", "help", "helps")])
    assert router.similar("hepl") == ["帮助"]


def test_nothing_is_similar_to_something_else() -> None:
    assert Router([weather()]).similar("吃了吗") == []


def test_a_command_of_one_character_is_not_heard_in_all_that_sound_alike() -> None:
    router = Router([a_skill("short", "查"), a_skill("long", "天气")])
    assert router.similar("茶水") == []
    assert router.similar("天汽") == ["天气"]


def test_at_most_three_commands_are_suggested() -> None:
    router = Router([a_skill(f"s{n}", f"command{n}") for n in range(6)])
    assert len(router.similar("command")) == 3


@given(st.text(max_size=MAX_CHARS + 10))
def test_no_text_makes_routing_fail(text: str) -> None:
    router = Router([weather(), a_skill("demo", "text")])
    route = router.route(text)
    assert route is None or route.skill.name in ("weather", "demo")
    assert {each.partition(" ")[0] for each in router.similar(text)} <= {"天气", "text"}


def test_no_route_shows_what_was_typed_when_it_is_logged() -> None:
    assert "北京" not in repr(routed(Router([weather()]), "天气 北京"))
