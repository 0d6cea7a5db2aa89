import pytest

from dingda.shared.dingtalk.robots import Robot, Robots

SALES = Robot("dingsales", name="小钉", secrets=("sales-canary",))
STAFF = Robot("dingstaff", secrets=("staff-canary",), mode="stream")
BOTH = Robots((SALES, STAFF))
ONLY = Robots((Robot("dingonly"),))
ANY = Robots((Robot(""),), takes_any_code=True)


def test_a_robot_is_found_by_its_code() -> None:
    assert [BOTH.find("dingsales"), BOTH.find("dingstaff")] == [SALES, STAFF]


@pytest.mark.parametrize("code", ["other", "dingsales ", "DINGSALES", "小钉"])
def test_another_code_is_no_robots(code: str) -> None:
    assert BOTH.find(code) is None
    assert ONLY.find(code) is None


@pytest.mark.parametrize("code", ["", "normal"])
def test_a_message_that_names_no_robot_is_the_only_ones(code: str) -> None:
    assert BOTH.find(code) is None
    assert ONLY.find(code) == ONLY.robots[0]


@pytest.mark.parametrize("code", ["", "normal", "whatever"])
def test_the_robot_of_the_plain_settings_takes_any_code(code: str) -> None:
    assert ANY.find(code) == ANY.robots[0]
    assert ANY.is_said_to(ANY.robots[0], code)


@pytest.mark.parametrize(
    ("code", "is_theirs"), [("dingsales", True), ("dingstaff", False), ("", True), ("normal", True)]
)
def test_a_known_robot_is_spoken_to_by_its_own_code_or_by_none(code: str, is_theirs: bool) -> None:  # noqa: FBT001
    assert BOTH.is_said_to(SALES, code) is is_theirs


def test_a_label_is_the_name_or_else_the_code() -> None:
    assert [robot.label for robot in BOTH] == ["小钉", "dingstaff"]
    assert [robot.label for robot in ANY] == ["default"]


def test_no_secret_is_shown() -> None:
    assert str(BOTH) == "小钉 (http), dingstaff (stream)"
    assert "canary" not in f"{BOTH!r} {BOTH}"
