"""Every command line of ours ends alike: an exit status, and errors as sentences."""

import click
import pytest

from dingda.shared.errors import DingdaError, SettingsError
from dingda.shared.runtime.command_line import run


def ends(
    monkeypatch: pytest.MonkeyPatch, outcome: int | BaseException | None, *arguments: str
) -> int:
    @click.command
    def command() -> int | None:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr("sys.argv", ["dingda", *arguments])
    return run(command)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (None, 0),
        (0, 0),
        (1, 1),
        (DingdaError("Nothing answers there."), 1),
        (SettingsError("DINGDA_PORT: not a number"), 2),
        (KeyboardInterrupt(), 130),
        (click.exceptions.Exit(1), 1),
    ],
)
def test_the_exit_status_tells_how_it_went(
    monkeypatch: pytest.MonkeyPatch, outcome: int | BaseException | None, status: int
) -> None:
    assert ends(monkeypatch, outcome) == status


def test_an_error_is_a_sentence_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ends(monkeypatch, SettingsError("DINGDA_PORT: not a number"))
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "DINGDA_PORT: not a number\n")


def test_a_wrong_argument_is_named_with_exit_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends(monkeypatch, None, "--nonsense") == 2
    assert "--nonsense" in capsys.readouterr().err
