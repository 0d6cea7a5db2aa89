import asyncio
import gc
import logging
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from dingda.shared.runtime.logs import (
    RedactingFormatter,
    configure_logging,
    identifier,
    printable,
    redact,
    trace,
)
from tests.support.builders import SESSION_WEBHOOK

REDACTED_WEBHOOK = "https://oapi.dingtalk.com/robot/sendBySession?session=***"


def a_record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("worker", logging.ERROR, __file__, 1, message, arguments, None)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger and Python's hooks, put back afterwards as pytest has set them up."""
    hooks = threading.excepthook, sys.unraisablehook
    root, chatty = logging.getLogger(), logging.getLogger("httpx")
    handlers, level, chatty_level = root.handlers[:], root.level, chatty.level
    for handler in handlers:
        root.removeHandler(handler)
    yield root
    threading.excepthook, sys.unraisablehook = hooks
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    chatty.setLevel(chatty_level)


def test_the_token_of_a_webhook_is_blanked() -> None:
    assert redact(f"POST {SESSION_WEBHOOK} failed") == f"POST {REDACTED_WEBHOOK} failed"


@pytest.mark.parametrize("end", ["", "&timestamp=1", " HTTP/1.1", '"', "'", ">", "<", "\n"])
def test_only_the_token_is_blanked(end: str) -> None:
    assert redact(f"{SESSION_WEBHOOK}{end}") == f"{REDACTED_WEBHOOK}{end}"


def test_every_token_is_blanked() -> None:
    assert redact("session=ab session=cd&session=ef") == "session=*** session=***&session=***"


@pytest.mark.parametrize("text", ["", "session", "the session ended", "sessions: 3", "天气 北京"])
def test_a_text_without_a_token_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_a_token_in_a_message_is_not_logged() -> None:
    shown = RedactingFormatter("%(message)s").format(a_record(f"POST {SESSION_WEBHOOK}"))
    assert shown == f"POST {REDACTED_WEBHOOK}"


def test_a_token_in_an_argument_is_not_logged() -> None:
    record = a_record("POST %s failed: %r", SESSION_WEBHOOK, ValueError(SESSION_WEBHOOK))
    shown = RedactingFormatter("%(message)s").format(record)
    assert shown == f"POST {REDACTED_WEBHOOK} failed: ValueError('{REDACTED_WEBHOOK}')"


WORDS = "我的工资 s3cret"


def raised(error: BaseException) -> BaseException:
    try:
        raise error  # noqa: TRY301 - so that it has a traceback
    except BaseException as caught:  # noqa: BLE001 - whatever it is
        return caught


def of_a_group() -> BaseException:
    return BaseExceptionGroup(WORDS, [raised(ValueError(WORDS)), raised(KeyError(WORDS))])


def with_a_cause() -> BaseException:
    error = RuntimeError(WORDS)
    error.__cause__ = raised(ValueError(WORDS))
    return error


def with_a_context() -> BaseException:
    error = RuntimeError(WORDS)
    error.__context__ = raised(ValueError(WORDS))
    return error


def with_a_note() -> BaseException:
    error = raised(ValueError())
    error.add_note(WORDS)
    return error


def whose_name_is_typed() -> BaseException:
    return raised(type(f"ValueError\n{WORDS[-6:]}!" * 100, (Exception,), {})())


ERRORS = [
    lambda: ValueError(WORDS),
    of_a_group,
    with_a_cause,
    with_a_context,
    with_a_note,
]


@pytest.mark.parametrize("make", ERRORS)
def test_a_trace_has_the_classes_and_nothing_that_an_exception_says(
    make: Callable[[], BaseException],
) -> None:
    shown = trace(raised(make()))
    assert "ValueError" in shown
    assert f"{__file__}:" in shown
    assert not any(word in shown for word in WORDS.split())


@pytest.mark.parametrize("make", ERRORS)
def test_a_line_in_the_log_has_nothing_that_an_exception_says(
    make: Callable[[], BaseException],
) -> None:
    error, record = raised(make()), a_record("it failed")
    record.exc_info = (type(error), error, error.__traceback__)
    shown = RedactingFormatter("%(message)s").format(record)
    assert shown.startswith("it failed\n")
    assert "ValueError" in shown
    assert not any(word in shown for word in WORDS.split())


def test_the_name_of_a_class_is_cut_and_one_line() -> None:
    (first, *_) = trace(whose_name_is_typed()).splitlines()
    assert len(first) == 100
    assert first.startswith("ValueError?s3cret?")


def test_a_trace_ends_though_exceptions_cause_each_other() -> None:
    first, second = raised(ValueError()), raised(KeyError())
    first.__cause__, second.__cause__ = second, first
    assert [line for line in trace(first).splitlines() if line[0] != " "] == [
        "ValueError",
        "caused by KeyError",
    ]


def test_a_trace_of_a_deep_recursion_is_short() -> None:
    def deeper() -> None:
        deeper()

    with pytest.raises(RecursionError) as caught:
        deeper()
    assert len(trace(caught.value).splitlines()) < 30


def test_an_exception_whose_attributes_raise_has_its_class_in_the_log() -> None:
    class OddError(Exception):
        __cause__ = property(lambda _: 1 / 0)

        def __str__(self) -> str:
            raise SystemExit

    assert trace(raised(OddError())) == "OddError"


@pytest.mark.usefixtures("root_logger")
@pytest.mark.filterwarnings("default")
def test_an_exception_in_a_thread_is_logged_without_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("INFO")
    thread = threading.Thread(target=int, args=(WORDS,), name="a-thread")
    thread.start()
    thread.join()
    shown = capsys.readouterr().err
    assert "a-thread failed: ValueError" in shown
    assert "s3cret" not in shown


@pytest.mark.usefixtures("root_logger")
def test_a_configured_process_logs_no_token(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    logging.getLogger("some.library").info("POST %s", SESSION_WEBHOOK)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(f" INFO some.library: POST {REDACTED_WEBHOOK}\n")


@pytest.mark.usefixtures("root_logger")
def test_what_fails_on_an_event_loop_is_logged_without_words_and_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def fail() -> None:
        raise KeyError("canary")

    async def leave_to_fail() -> None:
        tasks = [asyncio.create_task(fail())]
        asyncio.get_running_loop().call_soon(int, "canary")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks.clear()
        gc.collect()

    configure_logging("INFO")
    asyncio.run(leave_to_fail())
    logged = capsys.readouterr().err
    assert "asyncio: Task exception was never retrieved\nKeyError\n" in logged
    assert "asyncio: Exception in callback int\nValueError\n" in logged
    assert "canary" not in logged


@pytest.mark.usefixtures("root_logger")
def test_a_configured_process_logs_from_its_level_up(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING")
    logging.getLogger("worker").info("quiet")
    logging.getLogger("worker").warning("loud")
    err = capsys.readouterr().err
    assert "quiet" not in err
    assert "loud" in err


@pytest.mark.parametrize(("level", "shown"), [("DEBUG", "WARNING"), ("ERROR", "ERROR")])
@pytest.mark.usefixtures("root_logger")
def test_chatty_libraries_are_held_back(level: str, shown: str) -> None:
    configure_logging(level)
    assert logging.getLevelName(logging.getLogger("httpx").level) == shown


@pytest.mark.usefixtures("root_logger")
def test_a_retry_adds_no_line_to_that_of_the_call_that_failed() -> None:
    configure_logging("INFO")
    assert not logging.getLogger("stamina").isEnabledFor(logging.WARNING)


def test_configuring_twice_does_not_log_twice(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO")
    configure_logging("INFO")
    root_logger.info("once")
    assert capsys.readouterr().err.count("once") == 1


FORGED = "群\n2026-01-01 00:00:00,000 INFO dingda.audit: sender boss, subject ceo, allowed"
TRICKS = [
    "a\nb",
    "a\r\nb",
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[H",
    "\x9b2J",
    "a\x00b",
    "a\x7f\x08b",
    "\u202ecba",
    "\u2066abc\u2069",
    "a\u2028b\u2029c\x85d\x0be\x0cf",
    "a\u200bb\ufeffc",
    "half a pair \ud800",
    "\U000e0041 tag",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_nothing_that_a_terminal_obeys_is_printable(trick: str) -> None:
    shown = printable(trick)
    assert shown.isprintable()
    assert shown.encode().decode().splitlines() == [shown]
    assert "\\" in shown


@pytest.mark.parametrize(
    "text", ["", "测试群", "项目 A（二期）🎉", "全角　空格", "C:\\temp", "e\u0301"]
)
def test_ordinary_names_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


def test_a_long_text_is_cut() -> None:
    assert printable("群" * 1000, 10) == "群" * 10 + "…"
    assert len(printable("\n" * 1000, 10)) == 21


@pytest.mark.parametrize("text", ["0001", "manager4220", "zhang.san@acme", "$:LWCP_v1:$u0", "张三"])
def test_a_plain_id_is_shown_as_it_is(text: str) -> None:
    assert identifier(text) == text


@pytest.mark.parametrize(
    "text", ["boss, subject ceo, allowed (direct report)", "a\nb", "a b", "", "'"]
)
def test_another_id_is_quoted_so_that_it_ends_where_it_ends(text: str) -> None:
    shown = identifier(text)
    assert shown[0] == shown[-1]
    assert shown[0] in "'\""
    assert shown.isprintable()


@pytest.mark.parametrize("trick", [*TRICKS, FORGED])
def test_a_message_is_one_line_whatever_is_in_it(trick: str) -> None:
    formatter = RedactingFormatter("%(levelname)s %(message)s")
    for record in (a_record("in a group called %s", trick), a_record(f"called {trick}")):
        shown = formatter.format(record)
        assert shown.isprintable()
        assert shown.startswith("ERROR ")


def test_a_traceback_still_has_lines_of_its_own() -> None:
    record = a_record("failed\n")
    record.exc_info = (ValueError, ValueError(FORGED), None)
    assert RedactingFormatter("%(message)s").format(record).splitlines() == ["failed", "ValueError"]


def test_a_message_that_never_ends_is_cut() -> None:
    assert len(RedactingFormatter("%(message)s").format(a_record("x" * 100_000))) < 3_000
