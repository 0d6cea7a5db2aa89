"""Which robot a command is about."""

import click
import pytest

from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.worker.operations.named_robots import find_one

OPS, SHOP = Robot("dingops", name="ops"), Robot("dingshop", name="shop")


def test_the_only_robot_need_not_be_named() -> None:
    assert find_one(Robots((OPS,)), "") == OPS


@pytest.mark.parametrize("name", ["shop", "dingshop"])
def test_one_of_several_is_named_by_its_name_or_its_code(name: str) -> None:
    assert find_one(Robots((OPS, SHOP)), name) == SHOP


def test_of_several_none_is_taken_unnamed() -> None:
    with pytest.raises(click.UsageError, match="--robot"):
        find_one(Robots((OPS, SHOP)), "")


def test_a_name_that_no_robot_has_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(click.BadParameter, match="ops, shop"):
        find_one(Robots((OPS, SHOP)), "hr")
