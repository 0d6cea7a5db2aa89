"""Mentions that a client left in the words, and what only looks like one."""

from typing import Annotated

import pytest

from dingda.skill import Skill
from dingda.worker.answering.routing import Route, Router
from dingda.worker.language.text import clean


def install(what: Annotated[str, "包"]) -> str:
    return what


def plain() -> str:
    return "好"


def a_router(own_name: str = "") -> Router:
    skill = Skill("work", summary="干活")
    skill.command("装")(install)
    skill.command("天气", "weather", pattern="天气")(install)
    skill.command("帮助", "help")(plain)
    return Router([skill], own_name=own_name)


ROUTER = a_router()


def routed(typed: str) -> Route:
    route = ROUTER.route(typed)
    assert route is not None
    return route


@pytest.mark.parametrize(
    "typed",
    [
        "天气 北京",
        "@钉答 天气 北京",
        "＠钉答 天气 北京",
        "@钉答\u2005天气 北京",
        "\u2005\xa0@钉答\u2005天气\xa0北京\u200b",
        "@张三 @钉答  天气 北京",
        "天气 北京 @钉答",
        "天气 北京 @张三 @钉答",
        "@张三 天气 北京 @钉答",
        "天气 北京 @",
        "@Ding Da 天气 北京",
        "@Ding Da Bot 天气 北京",
        "@钉答天气 北京",
        "@钉答 /天气 北京",
        "@钉答/天气 北京",
        "@所有人天气 北京",
        "@所有人 天气 北京",
        "@all 天气 北京",
        "@所有人 @钉答 天气 北京",
        "「李四：上海天气」\n- - - - - - - - - - - - - - -\n天气 北京",
        "「李四：上海天气」\n—————————\n@钉答 天气 北京",
    ],
)
def test_what_is_asked_is_found_beside_mentions_and_quotations(typed: str) -> None:
    assert routed(typed).arguments.rest == "北京"


@pytest.mark.parametrize(
    "typed",
    [
        "帮助",
        "@钉答 帮助",
        "@钉答帮助",
        "帮助@钉答",
        "帮助 @钉答",
        "@Ding Da 帮助",
        "@所有人帮助",
        "@ding da help",
    ],
)
def test_a_command_alone_is_found_beside_mentions(typed: str) -> None:
    assert routed(typed).command.names[0] == "帮助"


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        ("装 a@b.com", "a@b.com"),
        ("装 @types/node", "@types/node"),
        ("@types/node 装 x", "@types/node x"),
        ("@钉答 装 @types/node", "@types/node"),
        ("@钉答 @types/node 装 x", "@types/node x"),
        ("装 x@1.2.3", "x@1.2.3"),
        ("装 a@b.com c@d.com", "a@b.com c@d.com"),
        ("装 git@github.com:a/b", "git@github.com:a/b"),
        ("装 x@李四", "x@李四"),
        ("装 @lodash", "@lodash"),
        ("装 @李四 x", "@李四 x"),
    ],
)
def test_an_address_a_package_or_a_name_that_is_asked_about_is_kept(typed: str, what: str) -> None:
    assert routed(typed).arguments.rest == what


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("天气 北京", ()),
        ("@钉答 天气 北京", ("钉答",)),
        ("@钉答天气 北京", ("钉答",)),
        ("天气 北京 @李四", ("李四",)),
        ("@Ding Da 天气 北京", ("Ding Da",)),
        ("@所有人天气 北京", ()),
        ("@types/node 装 x", ()),
    ],
)
def test_the_names_beside_the_words_are_known(typed: str, names: tuple[str, ...]) -> None:
    assert routed(typed).names == names


NAMED = a_router(own_name="小钉 Bot")


@pytest.mark.parametrize(
    "typed",
    [
        "小钉 bot 天气 北京",
        "小钉 Bot，天气 北京",
        "小釘 ＢＯＴ\u2005天气 北京",
        "@小钉 Bot 天气 北京",
        "＠小钉 Bot: 天气 北京",
        "\u200b@小钉 Bot\u2005@小灰 天气 北京",
        "@小灰 天气 北京",
        "天气 北京",
    ],
)
def test_the_robots_own_name_is_taken_off_the_beginning(typed: str) -> None:
    route = NAMED.route(typed)
    assert route is not None
    assert (route.command.names[0], route.arguments.rest) == ("天气", "北京")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("小钉 Bot", ""),
        ("@小钉 bot", ""),
        ("小钉 Bot？", ""),
        ("小钉 Bot 你好", "你好"),
        ("小钉 Bots 你好", "小钉 Bots 你好"),
        ("@小灰", "@小灰"),
        ("", ""),
    ],
)
def test_what_no_command_is_found_in_is_read_without_it_as_well(typed: str, words: str) -> None:
    assert NAMED.words_in(typed) == words


def test_the_robots_own_name_is_nobody_who_is_asked_about() -> None:
    route = NAMED.route("@小钉 Bot @李四 天气 北京")
    assert route is not None
    assert route.names == ("李四",)


def test_a_name_that_is_a_command_as_well_counts_behind_an_at_sign_alone() -> None:
    router = a_router(own_name="天气")
    for typed in ("天气 北京", "@天气 天气 北京"):
        route = router.route(typed)
        assert route is not None
        assert route.arguments.rest == "北京"


@pytest.mark.parametrize("typed", ["@钉答", "@", "@@@@", "@钉答 @李四", "a@b.c 是谁", "@钉答 你好"])
def test_a_mention_alone_is_no_command(typed: str) -> None:
    assert ROUTER.route(clean(typed)) is None
