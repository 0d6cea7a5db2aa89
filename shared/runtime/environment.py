"""Where settings come from: the environment, and the file `.env`."""

import os
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from dingda.shared.errors import SettingsError

ENV_FILE = Path(".env")


def check_env_file(path: Path) -> None:
    """See that a file of settings can be read; one that is not there is all right.

    Raises:
        SettingsError: if it can't.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # UTF-16 without a mark at its beginning
        raise SettingsError(
            f"{path} is not UTF-8: save it again in that encoding (not GBK, UTF-16)"
        )
    # dotenv would leave such a line out, and with it a setting.
    wrong = next((line.original for line in parse_stream(StringIO(text)) if line.error), None)
    if wrong:
        blank_lines = wrong.string[: -len(wrong.string.lstrip())].count("\n")
        raise SettingsError(
            f"{path}, line {wrong.line + blank_lines}: write NAME=value, close what is quoted, "
            "and begin a comment with #"
        )


def names_set(env_file: Path | None = ENV_FILE) -> list[str]:
    """The names that begin with DINGDA_, in the environment and in the file, in capitals."""
    names = {name.upper() for name in (*os.environ, *written(env_file))}
    return sorted(name for name in names if name.startswith("DINGDA_"))


def value_set(name: str, env_file: Path | None = ENV_FILE) -> str:
    """The value of a name in the environment, else in the file; "" if it has none."""
    return os.environ.get(name) or written(env_file).get(name) or ""


def written(env_file: Path | None) -> dict[str, str | None]:
    """What a file of settings says, by name; nothing if there is none."""
    return dotenv_values(env_file, interpolate=False) if env_file and env_file.is_file() else {}
