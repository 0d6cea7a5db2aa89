"""Secrets in files, as Docker, Kubernetes and systemd hand them to a process.

A secret setting may be in a file in two ways. `DINGDA_APP_SECRET_FILE=/path` names the file; in the
environment as in `.env` it wins over `DINGDA_APP_SECRET` beside it. Or a file that is called as the
variable, in capitals or not, is in systemd's directory of credentials (`$CREDENTIALS_DIRECTORY`) or
in `/run/secrets`; it counts where nothing else is set, which is pydantic-settings' own order.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic_settings import BaseSettings, EnvSettingsSource

from dingda.shared.dingtalk.groups import Groups
from dingda.shared.dingtalk.robots import Robots
from dingda.shared.errors import SettingsError
from dingda.shared.runtime.environment import ENV_FILE, names_set, written

MAX_BYTES = 64 * 1024
_SECRETS_DIRECTORY = "/run/secrets"
_SUFFIX = "_FILE"


def secret_variables(kind: type[BaseSettings]) -> list[str]:
    """The variables of a class of settings that hold secrets, in capitals."""
    prefix = kind.model_config.get("env_prefix", "")
    return [
        f"{prefix}{name}".upper()
        for name, field in kind.model_fields.items()
        if _holds_secrets(field.annotation)
    ]


def file_variables(kind: type[BaseSettings]) -> list[str]:
    """The variables that name the files of its secrets, in capitals."""
    return [f"{variable}{_SUFFIX}" for variable in secret_variables(kind)]


def place_of(variable: str, env_file: Path | None = ENV_FILE) -> Path | str:
    """Where the value of a secret comes from, by what wins over what.

    Returns:
        The file that holds it alone; "the environment", or the name of `env_file`; "" if it has no
        value.
    """
    for values, place in ((os.environ, "the environment"), (written(env_file), str(env_file))):
        if path := _named_file(variable, values):
            return path
        if _value_of(variable, values):
            return place
    return _mounted_file(variable) or ""


def secret_files(env_file: Path | None = ENV_FILE) -> dict[str, Path]:
    """The files that secrets of ours come from, by their variables."""
    named = {name.removesuffix(_SUFFIX) for name in names_set(env_file) if name.endswith(_SUFFIX)}
    mounted = {path.name.upper() for path in _mounted()}
    ours = sorted(named | {name for name in mounted if name.startswith("DINGDA_")})
    places = ((variable, place_of(variable, env_file)) for variable in ours)
    return {variable: place for variable, place in places if isinstance(place, Path)}


def read_secret(variable: str, path: Path) -> str:
    """Read a secret's file, without the newline that an editor ends it with.

    Raises:
        SettingsError: if it is missing, empty, larger than `MAX_BYTES`, not UTF-8, or no file.
    """
    return read_text(f"{variable}: the file {path}", path)


def read_text(what: str, path: Path) -> str:
    """Read a file that holds secrets, as `read_secret` does; `what` it is begins the errors."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise SettingsError(f"{what} is no regular file")
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{what} cannot be read: {os.strerror(error.errno or 0)}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{what} is not UTF-8") from None
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{what} is larger than {MAX_BYTES // 1024} KiB")
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret.strip() or "\0" in secret:
        raise SettingsError(f"{what} holds no text")
    return secret


def is_world_readable(path: Path) -> bool:
    """Whether anybody on the machine may read a file, if they may enter its folder."""
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:  # of a skill's, which is the worker's to complain of
        return False


class NamedSecretFiles(EnvSettingsSource):
    """Reads the files that variables `…_FILE` name, as the values of those without `_FILE`.

    Args:
        kind: the class of settings.
        values: where those variables are: the environment, or what `.env` says.
    """

    def __init__(self, kind: type[BaseSettings], values: Mapping[str, str | None]) -> None:
        self._values = values
        super().__init__(kind)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return _read_all(self.settings_cls, lambda each: _named_file(each, self._values))


class MountedSecretFiles(EnvSettingsSource):
    """Reads the files in directories of secrets that are called as the settings' variables."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return _read_all(self.settings_cls, _mounted_file)


def _read_all(
    kind: type[BaseSettings], find: Callable[[str], Path | None]
) -> Mapping[str, str | None]:
    """The secrets that have a file, by their variables as pydantic-settings has them."""
    found = ((variable, find(variable)) for variable in secret_variables(kind))
    return {each.lower(): read_secret(each, path) for each, path in found if path}


def _named_file(variable: str, values: Mapping[str, str | None]) -> Path | None:
    path = _value_of(f"{variable}{_SUFFIX}", values)
    return Path(path) if path else None


def _value_of(variable: str, values: Mapping[str, str | None]) -> str:
    """The value of a variable, whose name may be in small letters."""
    found = (value for name, value in values.items() if name.upper() == variable and value)
    return next(found, "").strip()


def _mounted_file(variable: str) -> Path | None:
    return next((path for path in _mounted() if path.name.upper() == variable), None)


def _mounted() -> Iterator[Path]:
    """What is in the directories of secrets, systemd's first."""
    for folder in (os.environ.get("CREDENTIALS_DIRECTORY", ""), _SECRETS_DIRECTORY):
        with suppress(OSError):  # there is none, which is usual
            yield from sorted(Path(folder).iterdir()) if folder else ()


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for a writer, if it is a named pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _holds_secrets(annotation: Any) -> bool:
    is_secret = annotation in (SecretStr, Groups, Robots)
    return is_secret or any(map(_holds_secrets, get_args(annotation)))
