from dingda.simulator.dingtalk.throttle import ReplyThrottle


def a_full_throttle() -> ReplyThrottle:
    throttle = ReplyThrottle(20)
    assert all(throttle.takes(second * 1000) for second in range(20))
    return throttle


def test_twenty_replies_in_a_minute_are_taken_and_the_next_is_not() -> None:
    assert not a_full_throttle().takes(59_999)


def test_a_reply_passes_once_the_minute_since_the_first_is_over() -> None:
    assert a_full_throttle().takes(60_000)


def test_whoever_was_too_fast_is_throttled_for_ten_minutes() -> None:
    throttle = a_full_throttle()
    assert not throttle.takes(30_000)
    assert not throttle.takes(30_000 + 599_999)
    assert throttle.takes(30_000 + 600_000)
