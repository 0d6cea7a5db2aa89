"""What senders saw of a faulty bot is counted from their messages' records."""

from typing import Any

from benchmarks.stream_bots import ANSWER
from benchmarks.stream_faults import count_outcomes
from dingda.simulator.dingtalk.record import Ack, Record, Reply
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.http.stream_sender import NO_CONNECTION


def a_record(*replies: Reply, **fields: Any) -> Record:
    return Record("msg", 0, UserMessage("等 1"), {}, {}, 1, replies=replies, **fields)


def a_reply(text: str, *, after_ms: int = 1, errcode: int = 0) -> Reply:
    return Reply({"msgtype": "text", "text": {"content": text}}, errcode, "", (), after_ms)


def test_a_message_without_a_reply_that_shows_is_lost_though_it_was_acknowledged() -> None:
    ack = Ack(200, "", 1)
    counted = count_outcomes([a_record(ack=ack), a_record(a_reply(ANSWER, errcode=310000))])
    assert (counted["lost"], counted["unheard"]) == (2, 0)
    assert "last_s" not in counted


def test_what_found_no_connection_is_unheard_unless_it_was_answered_later() -> None:
    unheard = a_record(undelivered=NO_CONNECTION)
    later = a_record(a_reply(ANSWER), undelivered=NO_CONNECTION)
    unacknowledged = a_record(undelivered="no acknowledgement")
    counted = count_outcomes([unheard, later, unacknowledged])
    assert (counted["lost"], counted["unheard"]) == (2, 1)


def test_a_lost_message_that_is_a_dead_letter_is_counted_as_that_too() -> None:
    counted = count_outcomes([a_record()], dead={"msg"})
    assert (counted["lost"], counted["dead"]) == (1, 1)
    assert count_outcomes([a_record(a_reply(ANSWER))], dead={"msg"})["dead"] == 0


def test_an_answer_that_shows_more_than_once_counts_once_as_twice() -> None:
    counted = count_outcomes([a_record(*[a_reply(f"{ANSWER} 1.5")] * 3), a_record(a_reply(ANSWER))])
    assert (counted["twice"], counted["lost"]) == (1, 0)


def test_an_apology_is_no_answer_and_no_loss() -> None:
    counted = count_outcomes([a_record(a_reply("抱歉，处理时出错了"))])
    assert (counted["sorry"], counted["lost"], counted["twice"]) == (1, 0, 0)


def test_the_last_of_the_first_replies_says_how_long_senders_waited() -> None:
    quick = a_record(a_reply(ANSWER, after_ms=20), a_reply(ANSWER, after_ms=9_000))
    late = a_record(a_reply(ANSWER, after_ms=4_500))
    assert count_outcomes([quick, late])["last_s"] == 4.5
