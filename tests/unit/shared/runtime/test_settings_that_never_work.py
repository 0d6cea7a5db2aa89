"""Settings as people paste and misspell them: taken as they are meant, or refused in a sentence."""

import errno
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.redis_clients import (
    create_bounded_redis,
    create_fetching_redis,
    create_intake_redis,
    create_rq_redis,
    create_worker_redis,
)
from dingda.shared.runtime.settings import Settings, load_settings, unknown_names
from tests.support.environment import Environment

pytestmark = pytest.mark.usefixtures("dingda")


# What is pasted: blanks, line ends and quotes.


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("ROBOT_CODE", "robot_code", "dingr"),
        ("APP_KEY", "app_key", "dingabc"),
        ("QUEUE", "queue", "acme"),
        ("CALLBACK_PATH", "callback_path", "/dd_robot"),
        ("HOST", "host", "0.0.0.0"),
        ("LOG_LEVEL", "log_level", "DEBUG"),
        ("UNMATCHED", "unmatched", "help"),
        ("OAPI_URL", "oapi_url", "https://oapi.example.com"),
    ],
)
@pytest.mark.parametrize("around", ["{} ", "\t{}", "{}\r", " {}\r\n", "\u3000{}\u00a0"])
def test_blanks_and_line_ends_around_a_value_do_not_count(
    dingda: Environment, name: str, field: str, value: str, around: str
) -> None:
    assert getattr(dingda.settings(**{name: around.format(value)}), field) == value


def test_blanks_around_secrets_numbers_and_urls_do_not_count(dingda: Environment) -> None:
    settings = dingda.settings(
        APP_SECRET=" abc\r", PORT=" 9000 ", SKILL_TIMEOUT="5\r", REDIS_URL=" redis://redis/0\r\n"
    )
    assert settings.secrets == ("abc",)
    assert (settings.port, settings.skill_timeout) == (9000, 5)
    assert settings.redis_url.get_secret_value() == "redis://redis/0"


def test_nothing_but_blanks_means_the_default(dingda: Environment) -> None:
    blank = {name.upper(): " \r\n" for name in Settings.model_fields}
    assert dingda.settings(**blank) == Settings(_env_file=None)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["APP_SECRET", "APP_KEY", "ROBOT_CODE", "REDIS_URL", "QUEUE"])
@pytest.mark.parametrize("quotes", ['""', "''", "“”", "``"])
def test_a_value_in_quotes_is_refused_by_name_and_not_shown(
    dingda: Environment, name: str, quotes: str
) -> None:
    complaint = dingda.complaint(**{name: f"{quotes[0]}private{quotes[1]}\r"})
    assert complaint.startswith(f"DINGDA_{name}: ")
    assert "quotes" in complaint
    assert "private" not in complaint


def test_one_of_several_values_in_quotes_is_refused(dingda: Environment) -> None:
    assert "quotes" in dingda.complaint(APP_SECRET="old, 'new'")


def test_the_quotes_of_a_line_in_the_file_are_the_files_own(tmp_path: Path) -> None:
    env_file = tmp_path / "settings.env"
    env_file.write_bytes(b"DINGDA_APP_SECRET=\"a b\"\r\nDINGDA_QUEUE='acme'\r\n")
    settings = load_settings(env_file)
    assert (settings.secrets, settings.queue) == (("a b",), "acme")


# Paths that no callback would ever arrive at.


@pytest.mark.parametrize(
    "path",
    [
        *("/dd%20robot", "/robot?token=abc", "/robot#x", "//", "//robot", "/a//b", "/robot//"),
        *("robot", "https://example.com/robot", "/机器人", "/{x}", "/a\\b", "/./robot", "/a/.."),
        *("/a b", "/healthz", "/readyz/", "/a\nb", "/a;b\x00"),
    ],
)
def test_a_path_where_nothing_would_arrive_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="callback_path"):
        Settings(_env_file=None, callback_path=path)  # type: ignore[call-arg]


@pytest.mark.parametrize("path", ["/", "/dd_robot", "/dd_robot/", "/a/b-c/~d.e/", "/b@c", "/v1.0"])
def test_a_plain_path_is_taken(dingda: Environment, path: str) -> None:
    assert dingda.settings(CALLBACK_PATH=path).callback_path == path


# Redis URLs that one process would understand in one way and another in another.


@pytest.mark.parametrize(
    "url",
    [
        *(
            "redis://h:6379/0?foo=1",
            "redis://h/0?max_connections=1",
            "redis://h/0?encoding=latin-1",
        ),
        *("redis://h/0?decode_responses=false", "redis://h/0?socket_timeout=9"),
        *("redis://h/0?host=other", "redis://h/0?retry_on_timeout=1", "redis://h/0?db="),
        *("redis://h/0?password=private", "redis://h/0?ssl_ca_certs=x", "redis://h/0?db=abc"),
        *("redis://h/abc", "redis://h/-1", "redis://h/0/1", "redis://h/0?protocol=9"),
        *("redis://h:private/0", "redis://h:0/0", "redis://h:99999/0", "redis://h/0#private"),
        *("redis://:pri/vate@h:6379/0", "redis://:pri#vate@h:6379/0", "redis://:pri?vate@h:6379/0"),
        *("redis://:pri[vate@h:6379/0", "redis://:pri vate@h:6379/0", "redis://h/0?private=x"),
        *("h:6379", "http://h:6379", "redis:h", "unix://", "rediss://h/0?ssl_cert_reqs=maybe"),
        "redis+sentinel://h/0",
    ],
)
def test_a_redis_url_that_does_not_work_everywhere_is_refused_in_a_sentence(
    dingda: Environment, url: str
) -> None:
    complaint = dingda.complaint(REDIS_URL=url)
    assert complaint.startswith("DINGDA_REDIS_URL: ")
    assert "\n" not in complaint
    assert "vate" not in complaint


@pytest.mark.parametrize(
    ("url", "password", "database"),
    [
        ("redis://:p@ss@h:6379/3", "p@ss", 3),
        ("redis://:p%40%2F%23%3F%25ss@h/3", "p@/#?%ss", 3),
        ("redis://user:密码@h:6379?db=3", "密码", 3),
        ("rediss://:p:q@[::1]:6380/3?ssl_cert_reqs=none&protocol=3", "p:q", 3),
        ("unix:///run/redis.sock?db=3", None, 3),
    ],
)
def test_a_redis_url_is_understood_by_every_client_alike(
    dingda: Environment, url: str, password: str | None, database: int
) -> None:
    taken = dingda.settings(REDIS_URL=url).redis_address
    clients: list[Any] = [
        create_worker_redis(taken),
        create_bounded_redis(taken, timeout_s=1),
        create_rq_redis(taken),
    ]
    for client in clients:
        arguments = client.connection_pool.connection_kwargs
        assert (arguments.get("password"), arguments["db"]) == (password, database)
        client.connection_pool.connection_class(**arguments)


# Files that cannot be read.


@pytest.mark.parametrize(
    "content",
    [
        "DINGDA_QUEUE=acme # 中文".encode("gbk"),
        "DINGDA_QUEUE=acme # é".encode("latin-1"),
        "DINGDA_QUEUE=acme".encode("utf-16"),
        "DINGDA_QUEUE=acme".encode("utf-16-le"),
        "DINGDA_QUEUE=acme".encode("utf-32"),
    ],
    ids=["gbk", "latin-1", "utf-16", "utf-16 without a mark", "utf-32"],
)
def test_a_file_in_another_encoding_is_named_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    env_file = tmp_path / ".env"
    env_file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"\.env is not UTF-8"):
        load_settings(env_file)


@pytest.mark.parametrize(
    "line", ['DINGDA_QUEUE="acme', "DINGDA_QUEUE: acme", "set DINGDA_QUEUE acme", "=acme"]
)
def test_a_line_that_cannot_be_read_is_named_rather_than_left_out(
    tmp_path: Path, line: str
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(f"# ours\nexport DINGDA_PORT=8000  # and no other\n\n{line}\n", "utf-8")
    with pytest.raises(SettingsError, match=r"\.env, line 4: write NAME=value") as refused:
        load_settings(env_file)
    assert "acme" not in str(refused.value)


def test_a_folder_in_the_files_place_is_named_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load_settings(tmp_path)


def test_a_file_that_may_not_be_read_is_named_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(SettingsError, match="cannot be read: Permission denied"):
        load_settings(tmp_path / ".env")


# Names that nothing reads.


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DINGDA_SENDER_LIMITS", "DINGDA_SENDER_LIMIT"),
        ("DINGDA_CONCURENCY", "DINGDA_CONCURRENCY"),
        ("dingda_app_secrets", "DINGDA_APP_SECRET"),
        ("DINGDA_REDISURL", "DINGDA_REDIS_URL"),
        ("DINGDA_ACME_LEAVE", ""),
    ],
)
@pytest.mark.parametrize("place", ["environment", "file"])
def test_an_unknown_name_is_found_with_the_nearest_known_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, meant: str, place: str
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(f"{name}=private\n" if place == "file" else "")
    if place == "environment":
        monkeypatch.setenv(name, "private")
    assert unknown_names(env_file) == {name.upper(): meant}


def test_no_name_that_anything_of_dingda_reads_is_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    example = (Path(__file__).parents[4] / ".env.example").read_text("utf-8")
    (tmp_path / ".env").write_text(example.replace("#DINGDA_", "DINGDA_"))
    for name in ("FAILPOINTS", "DEMO_REDIS_PORT", "PORT_8000_TCP_ADDR", "SERVICE_HOST"):
        monkeypatch.setenv(f"DINGDA_{name}", "1")
    monkeypatch.setenv("DINGDA_REDIS_SERVICE_PORT", "6379")
    assert unknown_names(tmp_path / ".env") == {}


@pytest.mark.parametrize(
    ("also", "name", "meant"),
    [
        ("DINGDA_SIMULATOR_PORT", "DINGDA_SIMULATOR_PROT", "DINGDA_SIMULATOR_PORT"),
        ("DINGDA_TAOBAO_APP_KEY", "DINGDA_TAOBAO_APPKEY", "DINGDA_TAOBAO_APP_KEY"),
        ("DINGDA_CANTEEN_URL", "DINGDA_CANTEN_URL", "DINGDA_CANTEEN_URL"),
    ],
)
def test_a_name_that_begins_as_others_do_is_unknown_to_whoever_knows_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, also: str, name: str, meant: str
) -> None:
    for each in (also, name):
        monkeypatch.setenv(each, "private")
    assert unknown_names(tmp_path / ".env", also=[also]) == {name: meant}


@pytest.mark.parametrize("prefix", ["SIMULATOR", "DASHBOARD", "DEMO", "TAOBAO"])
def test_a_name_that_begins_as_others_do_is_theirs_to_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setenv(f"DINGDA_{prefix}_ANYTHING", "private")
    assert unknown_names(tmp_path / ".env") == {}


# Sentinels: half of what they need, or not what they are.


def test_sentinels_and_the_primarys_name_make_an_address(dingda: Environment) -> None:
    address = dingda.settings(
        REDIS_URL="rediss://user:canary@h/3",
        REDIS_SENTINELS="s1:26380, s2,[::1]:26379 ,10.0.0.1",
        REDIS_MASTER="dingda",
        REDIS_SENTINEL_PASSWORD="canary",
    ).redis_address
    assert address.sentinels == (("s1", 26380), ("s2", 26379), ("::1", 26379), ("10.0.0.1", 26379))
    assert address.master == "dingda"
    assert "canary" not in repr(address)


@pytest.mark.parametrize("given", ["REDIS_SENTINELS", "REDIS_MASTER"])
def test_half_of_the_pair_is_refused_with_the_other_half_named(
    dingda: Environment, given: str
) -> None:
    complaint = dingda.complaint(**{given: "dingda"})
    assert complaint.startswith("DINGDA_REDIS_MASTER: ")
    assert "DINGDA_REDIS_SENTINELS" in complaint


@pytest.mark.parametrize(
    "sentinel",
    [
        *(
            "redis://private:26379",
            "user:private@s1:26379",
            "s1:",
            "s1:0",
            "s1:65536",
            "s1:private",
        ),
        *("private s1:26379", "s1:26379/0", "[::1", "[private]:26379", ":26379", "-private", "::1"),
        *("s1:26379;private:26379", "私private"),
    ],
)
def test_what_is_no_sentinel_is_refused_in_a_sentence_that_does_not_show_it(
    dingda: Environment, sentinel: str
) -> None:
    complaint = dingda.complaint(REDIS_SENTINELS=f"s0:26379,{sentinel}", REDIS_MASTER="dingda")
    assert complaint.startswith("DINGDA_REDIS_SENTINELS: ")
    assert "\n" not in complaint
    assert "private" not in complaint


def test_sentinels_cannot_lead_to_a_unix_socket(dingda: Environment) -> None:
    complaint = dingda.complaint(
        REDIS_URL="unix:///run/redis.sock", REDIS_SENTINELS="s1", REDIS_MASTER="dingda"
    )
    assert "unix socket" in complaint


@pytest.mark.parametrize(
    "url", ["redis://u:pw@nowhere.invalid:1/3", "rediss://u:pw@h/3?ssl_cert_reqs=none"]
)
def test_every_client_signs_in_at_the_primary_as_the_url_says_and_not_at_its_host(
    dingda: Environment, url: str
) -> None:
    address = dingda.settings(REDIS_URL=url, REDIS_SENTINELS="s1", REDIS_MASTER="m").redis_address
    clients: list[Any] = [
        create_intake_redis(address, connect_timeout_s=1),
        create_bounded_redis(address, timeout_s=1),
        create_worker_redis(address),
        create_fetching_redis(address),
        create_rq_redis(address),
    ]
    for client in clients:
        connection = client.connection_pool.make_connection()
        assert (connection.username, connection.password, connection.db) == ("u", "pw", 3)
        assert connection.host == "localhost"
        assert hasattr(connection, "cert_reqs") == url.startswith("rediss")
