"""DINGDA_ROBOTS: several robots in one deployment, as TOML or JSON (`docs/robots.md`).

The variable holds JSON, or the path of a TOML file; DINGDA_ROBOTS_FILE names a file with either, as
it does for every secret. Errors name the entry and the key, and never a value.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from dingda.shared.dingtalk.robots import NO_CODES, Robot, Robots
from dingda.shared.runtime.logs import printable
from dingda.shared.runtime.secret_files import read_text

MAX_ROBOTS = 100
"""Every callback's signature is tried with the secrets of all robots."""
_MAX_NAME_CHARS = 32
_MAX_CODE_CHARS = 128
_TEMPLATE = re.compile(r"[A-Za-z0-9_-]{1,100}\.schema")
_TOML_PLACE = re.compile(r"\(at (line \d+, column \d+|end of document)\)$")


def read_robots(value: str) -> Robots:
    """Read the value of DINGDA_ROBOTS.

    Args:
        value: JSON; the path of a TOML file; or the content of either, from DINGDA_ROBOTS_FILE.

    Raises:
        ValueError: if it is neither, or an entry is wrong.
        SettingsError: if a file can't be read.
    """
    entries = _entries(value)
    robots = tuple(_robot(entry, number) for number, entry in enumerate(entries, 1))
    _check_apart(robots)
    return Robots(robots)


def robots_files(value: str) -> dict[str, Path]:
    """The files that hold the secrets of the robots that `value` describes, by what they are.

    Raises:
        ValueError, SettingsError: as `read_robots`.
    """
    path = _path(value)
    files = {"DINGDA_ROBOTS": path} if path else {}
    for number, entry in enumerate(_entries(value), 1):
        if name := _Entry.model_validate(entry).secret_file:
            files[f"DINGDA_ROBOTS: {_which(entry, number)}: secret_file"] = Path(name)
    return files


def _stripped(text: str) -> str:
    text = text.strip()
    if not text.isprintable():
        raise ValueError("it must be on one line, without control characters")
    return text


def _is_word(text: str) -> bool:
    """Whether it is printable ASCII without blanks, and not empty."""
    return text.isascii() and text.isprintable() and " " not in text and bool(text)


def _name(name: str) -> str:
    name = _stripped(name).removeprefix("@")
    if len(name) > _MAX_NAME_CHARS:
        raise ValueError(f"it is longer than {_MAX_NAME_CHARS} characters")
    return name


def _code(code: str) -> str:
    code = _stripped(code)
    if code in NO_CODES or len(code) > _MAX_CODE_CHARS or not _is_word(code):
        raise ValueError("copy it from DingTalk's console: letters and digits, such as dingabc")
    return code


def _secret(secret: str) -> str:
    if not _is_word(secret):
        raise ValueError("a secret has no blanks, and is not empty")
    return secret


def _card_template(template: str) -> str:
    template = template.strip()
    if template and not _TEMPLATE.fullmatch(template):
        raise ValueError("copy it from the card platform: it ends with .schema")
    return template


CardTemplate = Annotated[str, AfterValidator(_card_template)]
"""The id of a card's template, or ""."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _item(text: str) -> str:
    if not (text := _stripped(text)):
        raise ValueError("an item is empty")
    return text


_Code = Annotated[str, AfterValidator(_code)]
_Items = tuple[Annotated[str, AfterValidator(_item)], ...]


class _Entry(BaseModel):
    """A robot as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    code: _Code = ""
    name: Annotated[str, AfterValidator(_name)] = ""
    app_key: _Code = ""
    secret: Annotated[
        tuple[Annotated[str, AfterValidator(_secret)], ...], BeforeValidator(_as_list)
    ] = ()
    secret_file: str = ""
    mode: Literal["http", "stream"] = "http"
    skills: _Items = ()
    conversations: _Items = ()
    card_template: CardTemplate = ""
    answer_card_template: CardTemplate = ""


def _path(value: str) -> Path | None:
    """The path that the value is, unless it is what such a file holds."""
    is_path = "\n" not in value and value.endswith(".toml")
    return Path(value) if is_path else None


def _entries(value: str) -> list[Any]:
    path = _path(value)
    text = read_text("DINGDA_ROBOTS: the file that it names", path) if path else value
    entries = _json(text) if _is_json(text) else _toml(text)
    if not isinstance(entries, list) or not entries:
        raise ValueError("write an entry [[robot]] for each robot, or a JSON list of objects")
    if len(entries) > MAX_ROBOTS:
        raise ValueError(f"there are more than {MAX_ROBOTS} robots")
    return entries


def _is_json(text: str) -> bool:
    """Whether it begins as an object or a list of objects; [robot] and [[robot]] are TOML."""
    opening, first = text.lstrip()[:1], text.lstrip()[1:].lstrip()[:1]
    return opening == "{" or (opening == "[" and first in ("{", "]"))


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_twins)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"it is not JSON: {place}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice in an entry")
    return dict(pairs)


def _toml(text: str) -> Any:
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        # Its messages may quote what is written.
        found = _TOML_PLACE.search(str(error))
        where = f": {found[1]}" if found else ""
        # More than a line comes from a file, and was not meant to be the path of one.
        path = "" if "\n" in text.strip() else ", nor the path of a file *.toml"
        raise ValueError(f"it is neither JSON ([{{...}}]){path}, nor TOML{where}") from None
    if others := [printable(key, _MAX_NAME_CHARS) for key in content if key != "robot"]:
        what = f"{others[0]} is outside of the entries [[robot]]"
        raise ValueError(f"{what}: begin each robot with a line [[robot]]")
    return content.get("robot")


def _robot(entry: Any, number: int) -> Robot:
    which = _which(entry, number)
    try:
        read = _Entry.model_validate(entry)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        raise ValueError("; ".join(f"{which}: {_described(each)}" for each in problems)) from None
    if not (read.code or read.app_key):
        raise ValueError(f"{which}: code or app_key is missing: {_WHERE}")
    if read.mode == "stream" and not read.app_key:
        raise ValueError(f'{which}: app_key is missing: mode = "stream" connects with it; {_WHERE}')
    if bool(read.secret) == bool(read.secret_file):
        what = "both are there" if read.secret else "it is missing"
        raise ValueError(f"{which}: write secret or secret_file: {what}")
    return Robot(
        code=read.code or read.app_key,
        name=read.name,
        app_key=read.app_key,
        secrets=read.secret or tuple(_secrets_in(read.secret_file, which)),
        mode=read.mode,
        skills=read.skills,
        conversations=read.conversations,
        card_template=read.card_template,
        answer_card_template=read.answer_card_template,
    )


_WHERE = "Client ID (AppKey) under 凭证与基础信息, robotCode under 机器人"


def _secrets_in(file: str, which: str) -> Iterator[str]:
    """The secrets in a file: several are separated by commas, as in DINGDA_APP_SECRET_FILE."""
    content = read_text(f"DINGDA_ROBOTS: {which}: the secret_file", Path(file))
    for secret in filter(None, map(str.strip, content.split(","))):
        try:
            yield _secret(secret)
        except ValueError as error:
            raise ValueError(f"{which}: secret_file: {error}") from None


def _which(entry: Any, number: int) -> str:
    """How an entry is called in an error: by its number, and its name if it has one."""
    name = entry.get("name") if isinstance(entry, dict) else None
    is_shown = isinstance(name, str) and name.isprintable() and 0 < len(name) <= _MAX_NAME_CHARS
    return f"robot {number} ({name})" if is_shown else f"robot {number}"


def _described(problem: ErrorDetails) -> str:
    key = str(problem["loc"][0]) if problem["loc"] else ""
    if problem["type"] == "extra_forbidden":
        known = get_close_matches(key, _KEYS, 1, 0.5)
        meant = f"did you mean {known[0]}?" if known else f"known are {', '.join(_KEYS)}"
        return f"{printable(key, _MAX_NAME_CHARS)} is no key: {meant}"
    message = problem["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list")
    return f"{key}: {message}" if key else "write its keys, as in code = ..."


_KEYS = tuple(_Entry.model_fields)


def _check_apart(robots: tuple[Robot, ...]) -> None:
    """See that nothing that tells robots apart is two robots'."""
    own: tuple[tuple[str, Callable[[Robot], Sequence[str]]], ...] = (
        ("code", lambda robot: [robot.code]),
        ("app_key", lambda robot: [robot.app_key] if robot.app_key else []),
        ("name", lambda robot: [robot.label.casefold()]),
        ("secret, which says which of them a callback is for", lambda robot: robot.secrets),
    )
    for what, of in own:
        owners: dict[str, int] = {}
        for number, robot in enumerate(robots, 1):
            for value in of(robot):
                if (first := owners.setdefault(value, number)) != number:
                    raise ValueError(f"robots {first} and {number} have the same {what}")
