"""People are never confused: a name is found, asked about, or said to be unknown."""

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest

from dingda.shared.dingtalk.message import Mention
from dingda.skill import Person, Skill
from dingda.slots import Day
from dingda.testing import Outcome, People, listen
from dingda.worker.errors import BackendConfigError, BackendUnavailableError

NOW = datetime(2026, 11, 25, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
ZHANG = Person("zhang", "张三", title="前端")
LI = Person("li", "李四", title="后端")
WANG = Person("wang", "王五")
TEST_WEI = Person("wei1", "李伟", title="测试", department_ids=(2,))
DESIGN_WEI = Person("wei2", "李伟", title="设计", department_ids=(3,))
LATIN = Person("ls", "Li Si")
BOOK = People(
    *(ZHANG, LI, WANG, TEST_WEI, DESIGN_WEI, LATIN),
    departments={2: "技术部", 3: "市场部"},
)

skill = Skill("oncall", summary="查值班")


@skill.command("值班", "oncall", pattern="值不值班")
async def oncall(who: Person) -> str:
    return f"{who.staff_id} {who.name}"


@skill.command("排班")
async def roster(day: Day | None = None, who: Person | None = None) -> str:
    return f"{day.first.day if day else '-'} {who.staff_id if who else '所有人'}"


@skill.command("提醒")
async def remind(who: Person, what: Annotated[str, "事情"]) -> str:
    return f"{who.staff_id}: {what}"


async def heard(text: str, *mentions: Mention, **circumstances: Any) -> str:
    """The text that the sender, 张三, gets; or the suggestions, if it is a question."""
    given: dict[str, Any] = {"staff_id": "zhang", "dingtalk": BOOK, "now": NOW, "group": False}
    response = await listen(skill, text, mentions=mentions, **(given | circumstances))
    assert response is not None, text
    payload = response.reply.to_payload()
    if payload["msgtype"] == "text":
        return str(payload["text"]["content"])
    assert response.completion.outcome is Outcome.DECLINED
    links = payload["actionCard"].get("btns") or [payload["actionCard"]]
    urls = [link.get("actionURL") or link["singleURL"] for link in links]
    return " | ".join(unquote(url.partition("content=")[2]) for url in urls)


# Found ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "值班 李四",
        "值班李四",
        "值班 李四呢？",
        "值班 李四的",
        "值班 请问李四在吗",
        "值班 @李四",
        "值班@李四",
        "@李四 值班",
        "@李四值班",
        "@李四的值班",
        "@钉答 值班 李四",
        "@钉答 值班 @李四",
        "@钉答 @李四 值班",
        "@Ding Da 值班 李四",
        "值班 李四 @钉答",
        "李四值不值班",
    ],
)
async def test_a_name_is_found_wherever_it_is_typed(typed: str) -> None:
    assert await heard(typed) == "li 李四"


@pytest.mark.parametrize(
    ("typed", "found"),
    [("值班 Li Si", "ls Li Si"), ("值班 @Li Si", "ls Li Si"), ("值班 王五 ", "wang 王五")],
)
async def test_a_name_of_several_words_is_one_name(typed: str, found: str) -> None:
    assert await heard(typed) == found


async def test_a_name_is_found_in_either_script() -> None:
    assert await heard("值班 張三") == "zhang 张三"
    assert await heard("值班 李伟", dingtalk=People(Person("tw", "李偉"))) == "tw 李偉"


async def test_a_mentioned_person_is_found_by_userid_whatever_the_name() -> None:
    assert await heard("值班", Mention("li")) == "li 李四"
    assert await heard("值班 吗", Mention("wei2", "李伟")) == "wei2 李伟"
    assert await heard("值班", Mention("li"), Mention("li")) == "li 李四"


async def test_a_mention_needs_no_address_book() -> None:
    assert await heard("值班", Mention("li", "李四"), dingtalk=None) == "li 李四"


@pytest.mark.parametrize(
    "typed", ["值班 我", "值班 我的", "值班 本人", "oncall me", "@钉答 值班 我"]
)
async def test_words_for_oneself_mean_the_sender(typed: str) -> None:
    assert await heard(typed) == "zhang 张三"
    assert await heard(typed, nick="三哥", dingtalk=None) == "zhang 三哥"


async def test_the_sender_may_be_named_or_mentioned_too() -> None:
    assert await heard("值班 张三") == "zhang 张三"
    assert await heard("值班", Mention("zhang")) == "zhang 张三"


@pytest.mark.parametrize(
    ("typed", "mentions", "right"),
    [
        ("排班", (), "- 所有人"),
        ("排班 明天", (), "26 所有人"),
        ("排班 明天是谁", (), "26 所有人"),
        ("排班 明天 李四", (), "26 li"),
        ("排班 李四明天", (), "26 li"),
        ("排班 明天", (Mention("li"),), "26 li"),
        ("排班 @李四 明天", (), "26 li"),
    ],
)
async def test_a_person_may_be_left_out_where_the_skill_says_so(
    typed: str, mentions: tuple[Mention, ...], right: str
) -> None:
    assert await heard(typed, *mentions) == right


@pytest.mark.parametrize(
    ("typed", "mentions"),
    [
        ("提醒 李四 去 开会", ()),
        ("提醒 @李四 去 开会", ()),
        ("提醒 去 开会 @李四", ()),
        ("@李四 提醒 去 开会", ()),
        ("提醒 去 开会", (Mention("li"),)),
    ],
)
async def test_beside_other_words_the_person_is_the_mention_or_the_first_word(
    typed: str, mentions: tuple[Mention, ...]
) -> None:
    assert await heard(typed, *mentions) == "li: 去 开会"


# Asked about ------------------------------------------------------------------------------------


async def test_namesakes_are_told_apart_by_department_and_title() -> None:
    asked = await heard("值班 李伟")
    assert asked == "值班 李伟（技术部·测试） | 值班 李伟（市场部·设计）"


@pytest.mark.parametrize("typed", ["值班 李伟", "@李伟 值班", "值班 @李伟", "李伟值不值班"])
async def test_each_suggestion_means_exactly_one_person(typed: str) -> None:
    suggestions = (await heard(typed)).split(" | ")
    assert [await heard(each) for each in suggestions] == ["wei1 李伟", "wei2 李伟"]


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("值班 李伟 市场部", "wei2 李伟"),
        ("值班 市场部的李伟", "通讯录里没有"),
        ("值班 市场部 李伟", "wei2 李伟"),
        ("值班 李伟(设计)", "wei2 李伟"),
        ("值班 李伟 wei1", "wei1 李伟"),
    ],
)
async def test_a_department_or_title_can_be_typed_to_tell_namesakes_apart(
    typed: str, right: str
) -> None:
    assert (await heard(typed)).startswith(right)


async def test_the_rest_of_the_question_stays_in_the_suggestions() -> None:
    asked = await heard("排班 李伟 明天")
    assert [await heard(each) for each in asked.split(" | ")] == ["26 wei1", "26 wei2"]
    asked = await heard("提醒 李伟 去 开会")
    assert [await heard(each) for each in asked.split(" | ")] == ["wei1: 去 开会", "wei2: 去 开会"]


@pytest.mark.parametrize(
    "others",
    [
        (Person("a", "李伟"), Person("b", "李伟")),
        (Person("a", "李伟", title="测试"), Person("b", "李伟", title="测试")),
        (Person("a", "李伟", title="测试"), Person("b", "李伟", title="测试组长")),
        (Person("a", "李伟", title="测试"), Person("ab", "李伟", title="测试")),
        (Person("a", "李伟"), Person("b", "李伟", title="总监/顾问 (北京)")),
    ],
)
async def test_each_suggestion_means_one_person_however_alike_namesakes_are(
    others: tuple[Person, ...],
) -> None:
    book = People(*others)
    asked = (await heard("值班 李伟", dingtalk=book)).split(" | ")
    found = [await heard(each, dingtalk=book) for each in asked]
    assert found == [f"{person.staff_id} 李伟" for person in others]


async def test_without_the_permission_for_departments_titles_tell_apart() -> None:
    class Titles(People):
        async def department(self, department_id: int) -> str:
            raise BackendConfigError("钉钉", str(department_id))

    asked = await heard("值班 李伟", dingtalk=Titles(TEST_WEI, DESIGN_WEI))
    assert asked == "值班 李伟（测试） | 值班 李伟（设计）"


@pytest.mark.parametrize(
    "typed",
    ["值班 李四和王五", "值班 李四、王五", "值班 李四 王五", "@李四 @王五 值班", "@李四 值班 王五"],
)
async def test_of_two_names_the_sender_chooses_one(typed: str) -> None:
    suggestions = (await heard(typed)).split(" | ")
    assert sorted([await heard(each) for each in suggestions]) == ["li 李四", "wang 王五"]


async def test_of_two_mentions_neither_is_taken() -> None:
    assert "一次只能说一个人" in await heard("值班", Mention("li"), Mention("wang"))
    asked = await heard("值班", Mention("li", "李四"), Mention("wang", "王五"))
    assert asked == "值班 李四 | 值班 王五"


async def test_a_hidden_mention_beside_another_makes_both_doubtful() -> None:
    assert "一次只能说一个人" in await heard("值班", Mention("li"), Mention(""))


async def test_a_mention_beside_somebody_elses_name_is_asked_about() -> None:
    assert await heard("值班 王五", Mention("li")) == "值班 王五"


async def test_a_hidden_mention_without_a_name_is_asked_about_even_if_a_name_is_typed() -> None:
    assert (await heard("值班", Mention(""))).startswith("你说的是谁？")
    assert (await heard("值班 李四", Mention(""))).startswith("你说的是谁？")
    assert (await heard("排班 明天", Mention(""))).startswith("你说的是谁？")


async def test_a_contact_from_outside_is_not_taken_for_a_namesake_here() -> None:
    assert await heard("值班", Mention("", "李四")) == "值班 李四（后端）"
    assert await heard("值班 李四（后端）") == "li 李四"
    assert "没有找到「陈外」" in await heard("值班", Mention("", "陈外"))


@pytest.mark.parametrize(
    "typed", ["他", "她的", "他们", "TA", "我们组", "大家", "你", "那个人", "他们组"]
)
async def test_a_pronoun_is_asked_about(typed: str) -> None:
    assert (await heard(f"值班 {typed}")).startswith("你说的是谁？")
    assert (await heard(f"排班 {typed} 明天")).startswith("你说的是谁？")


async def test_a_name_with_more_words_beside_it_is_asked_about_not_guessed() -> None:
    assert await heard("值班 李四 王五四") == "值班 李四（后端）"
    assert await heard("值班 李四 开会") == "值班 李四（后端）"


async def test_the_sender_and_somebody_else_are_two_people() -> None:
    assert "zhang 张三" not in await heard("值班 我和李四")
    assert await heard("@李四 值班 我") == "值班 张三（前端） | 值班 李四（后端）"


# Not known --------------------------------------------------------------------------------------


async def test_a_missing_name_is_asked_for() -> None:
    assert (await heard("值班")).startswith("请告诉我姓名")


@pytest.mark.parametrize("typed", ["值班 没有这个人", "@没有这个人 值班", "排班 没有这个人"])
async def test_an_unknown_name_is_called_unknown(typed: str) -> None:
    assert (await heard(typed)).startswith("通讯录里没有找到「没有这个人」")


async def test_the_bots_own_name_is_unknown() -> None:
    assert "没有找到「钉答」" in await heard("@钉答 值班")


async def test_without_an_address_book_it_says_so() -> None:
    for typed in ("值班 李四", "@李四 值班", "值班 我和李四"):
        assert (await heard(typed, dingtalk=None)).startswith("我看不到通讯录")


async def test_a_hidden_sender_cannot_be_me() -> None:
    assert (await heard("值班 我", staff_id="")).startswith("钉钉没有告诉我你是谁")


async def test_an_unreachable_address_book_is_not_taken_for_an_empty_one() -> None:
    class Away(People):
        async def find(self, name: str) -> list[str]:
            raise BackendUnavailableError("钉钉", name)

    assert "钉钉暂时连不上" in await heard("值班 李四", dingtalk=Away())


def test_two_people_in_one_function_are_refused_when_it_is_declared() -> None:
    with pytest.raises(TypeError, match="one Person at the most"):

        @skill.command("转交")
        def hand_over(giver: Person, taker: Person) -> str:
            return f"{giver} {taker}"
