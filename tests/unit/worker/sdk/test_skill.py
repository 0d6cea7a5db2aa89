"""A skill refuses what could never work, when it is declared."""

import pytest

from dingda.skill import Skill


@pytest.mark.parametrize("word", ["天气", "天氣", "Ｗeather"])
def test_a_word_of_two_functions_is_refused_and_named(word: str) -> None:
    skill = Skill("weather", summary="查天气")

    @skill.command("天气", "weather")
    def today() -> str:
        return "晴"

    def tomorrow() -> str:
        return "雨"

    with pytest.raises(TypeError, match=f"skill 'weather': '{word}' is a command of today already"):
        skill.command("明天", word)(tomorrow)


def test_one_function_may_have_a_word_twice() -> None:
    skill = Skill("weather", summary="查天气")

    @skill.command("天气", "天氣")
    @skill.command("天气", pattern="下雨")
    def today() -> str:
        return "晴"

    assert len(skill.commands) == 2
