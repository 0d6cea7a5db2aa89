"""The three skills on the real gateway, queue and workers, behind a simulated DingTalk."""

from pathlib import Path
from typing import Any

from acme_oncall.report import DAYS
from sqlalchemy import NullPool, create_engine, text

from dingda.testing import CardState, SimulatedDingTalk, UserMessage, staff_id_of


def test_an_amount_is_converted(dingtalk: SimulatedDingTalk) -> None:
    assert dingtalk.ask("换算 3 公里 到 英里").text == "3 公里 = 1.8641136 英里"


def test_the_number_is_not_shown_to_the_group(dingtalk: SimulatedDingTalk) -> None:
    record = dingtalk.ask("值班 风控组", sender="李四")
    (answer,) = dingtalk.pushed_after(record, to="李四")
    assert record.text == "结果已私聊发给你"
    assert "13800000005" in answer.text


def test_the_team_is_asked_for_in_private(dingtalk: SimulatedDingTalk) -> None:
    record = dingtalk.ask("值班 支付", sender="王五")
    (question,) = dingtalk.pushed_after(record, to="王五")
    assert "查哪个组？" in question.text
    answer = dingtalk.ask("支付后端组", sender="王五", single=True)
    assert "王五 13800000003" in answer.text


def test_the_report_shows_how_far_it_is(dingtalk: SimulatedDingTalk) -> None:
    record = dingtalk.say(UserMessage("告警周报", sender="李四", single=True))
    card = dingtalk.wait_until(lambda: cards_of(dingtalk, "李四"))[-1]
    assert "正在统计" in card.seen_by("").text
    dingtalk.look(record, wait_s=30)
    assert "七天共 **14** 次" in dingtalk.card(card.out_track_id).seen_by("").text


def test_a_worker_dies_in_the_middle_and_one_report_comes(
    dingtalk: SimulatedDingTalk, dingda_settings: dict[str, str]
) -> None:
    record = dingtalk.say(UserMessage("告警周报", sender="王五", single=True))
    dingtalk.wait_until(lambda: days_counted(dingda_settings, "王五"))
    dingtalk.kill_worker(during=record)
    dingtalk.look(record, wait_s=60)
    (card,) = cards_of(dingtalk, "王五")
    assert card.state is CardState.FINISHED
    assert "七天共 **14** 次" in card.seen_by("").text
    assert days_counted(dingda_settings, "王五") == DAYS


def cards_of(dingtalk: SimulatedDingTalk, name: str) -> list[Any]:
    """Return the cards in somebody's single chat with the bot."""
    return [
        card for card in dingtalk.cards if staff_id_of(name) in [space.id for space in card.spaces]
    ]


def days_counted(dingda_settings: dict[str, str], name: str) -> int:
    """How many days the only report that somebody ordered has counted so far."""
    engine = create_engine(dingda_settings["ACME_ONCALL_DATABASE"], poolclass=NullPool)
    counted = text(
        "SELECT count(*) FROM report_days JOIN reports USING (key) WHERE ordered_by = :by"
    )
    with engine.connect() as connection:
        return int(connection.execute(counted, {"by": staff_id_of(name)}).scalar_one())


def test_a_saved_chat_comes_out_the_same(dingtalk: SimulatedDingTalk) -> None:
    dingtalk.replay(Path(__file__).with_name("chat.json"), ignore=[r"\d\d-\d\d 周.：\w+ \d+"])
