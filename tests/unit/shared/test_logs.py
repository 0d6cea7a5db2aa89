import logging
from collections.abc import Iterator

import pytest

from shared.logs import RedactingFormatter, configure_logging, redact
from tests.builders import SESSION_WEBHOOK

TOKEN = "0123456789abcdef0123456789abcdef"
REDACTED_WEBHOOK = "https://oapi.dingtalk.com/robot/sendBySession?session=***"


def a_record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("worker", logging.ERROR, __file__, 1, message, arguments, None)


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards as pytest has set it up."""
    root, chatty = logging.getLogger(), logging.getLogger("httpx")
    handlers, level, chatty_level = root.handlers[:], root.level, chatty.level
    for handler in handlers:
        root.removeHandler(handler)
    yield root
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
def test_what_holds_no_token_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_a_token_in_a_message_is_not_logged() -> None:
    shown = RedactingFormatter("%(message)s").format(a_record(f"POST {SESSION_WEBHOOK}"))
    assert shown == f"POST {REDACTED_WEBHOOK}"


def test_a_token_in_an_argument_is_not_logged() -> None:
    record = a_record("POST %s failed: %r", SESSION_WEBHOOK, ValueError(SESSION_WEBHOOK))
    shown = RedactingFormatter("%(message)s").format(record)
    assert shown == f"POST {REDACTED_WEBHOOK} failed: ValueError('{REDACTED_WEBHOOK}')"


def test_a_token_in_a_traceback_is_not_logged() -> None:
    error = RuntimeError(f"could not POST to {SESSION_WEBHOOK}")
    error.__cause__ = ValueError(SESSION_WEBHOOK)
    record = a_record("delivery failed")
    record.exc_info = (RuntimeError, error, None)
    shown = RedactingFormatter("%(message)s").format(record)
    assert TOKEN not in shown
    assert f"ValueError: {REDACTED_WEBHOOK}" in shown
    assert f"RuntimeError: could not POST to {REDACTED_WEBHOOK}" in shown


@pytest.mark.usefixtures("root_logger")
def test_a_configured_process_logs_no_token(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    logging.getLogger("some.library").info("POST %s", SESSION_WEBHOOK)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(f" INFO some.library: POST {REDACTED_WEBHOOK}\n")


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


def test_configuring_twice_does_not_log_twice(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO")
    configure_logging("INFO")
    root_logger.info("once")
    assert capsys.readouterr().err.count("once") == 1
