from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dingda.shared.dingtalk.origin import is_loopback, origin_of
from dingda.shared.errors import InvalidOriginError
from tests.support.builders import SESSION_WEBHOOK

DINGTALK = "https://oapi.dingtalk.com:443"
DEFAULT_PORTS = {"http": 80, "https": 443}


@pytest.mark.parametrize(
    "url",
    [
        SESSION_WEBHOOK,
        "https://oapi.dingtalk.com",
        "https://oapi.dingtalk.com/",
        "https://oapi.dingtalk.com:443/robot",
        "https://oapi.dingtalk.com:0443/robot",
        "HTTPS://OAPI.DingTalk.COM/robot",
        "https://oapi.dingtalk.com?session=@evil.com",
        "https://oapi.dingtalk.com#@evil.com",
        "https://oapi.dingtalk.com/@evil.com:22/",
    ],
)
def test_dingtalks_origin_is_told_however_it_is_written(url: str) -> None:
    assert origin_of(url) == DINGTALK


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://oapi.dingtalk.com.evil.com/", "https://oapi.dingtalk.com.evil.com:443"),
        ("https://evil.com/?https://oapi.dingtalk.com/", "https://evil.com:443"),
        ("https://evil.com/oapi.dingtalk.com", "https://evil.com:443"),
        ("https://evil.com#oapi.dingtalk.com", "https://evil.com:443"),
        ("https://evil-oapi.dingtalk.com/", "https://evil-oapi.dingtalk.com:443"),
        ("https://dingtalk.com/", "https://dingtalk.com:443"),
        ("https://oapi.dingtalk.com:22/", "https://oapi.dingtalk.com:22"),
        ("https://oapi.dingtalk.com:80/", "https://oapi.dingtalk.com:80"),
        ("http://oapi.dingtalk.com/", "http://oapi.dingtalk.com:80"),
        ("http://oapi.dingtalk.com:443/", "http://oapi.dingtalk.com:443"),
        ("https://169.254.169.254/latest/meta-data", "https://169.254.169.254:443"),
        ("https://100.100.100.200/", "https://100.100.100.200:443"),
        ("https://2130706433/", "https://2130706433:443"),
        ("https://0x7f.1/", "https://0x7f.1:443"),
        ("https://localhost:6379/", "https://localhost:6379"),
        ("https://[::1]/", "https://[::1]:443"),
        ("https://[::FFFF:127.0.0.1]:8443/", "https://[::ffff:127.0.0.1]:8443"),
    ],
)
def test_any_other_origin_is_told_apart_from_dingtalks(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://oapi.dingtalk.com@evil.com/robot", id="a user"),
        pytest.param("https://evil.com@oapi.dingtalk.com/", id="a user before the right host"),
        pytest.param("https://user:secret@oapi.dingtalk.com/", id="a user with a password"),
        pytest.param("https://@oapi.dingtalk.com/", id="an empty user"),
        pytest.param("https://oapi.dingtalk.com\\@evil.com/", id="a backslash and a user"),
        pytest.param("https://oapi.dingtalk.com\\.evil.com/", id="a backslash"),
        pytest.param("https:\\\\oapi.dingtalk.com/", id="backslashes for slashes"),
        pytest.param("https://oapi.dingtalk.com/\\", id="a backslash in the path"),
        pytest.param("https://oapi。dingtalk。com/", id="Chinese full stops"),
        pytest.param("https://oapi.dingtalk.com／robot", id="a full-width slash"),
        pytest.param("https://ｏapi.dingtalk.com/", id="a full-width letter"),
        pytest.param("https://oapi.dıngtalk.com/", id="a dotless i"),
        pytest.param("https://oapi.dingtalk.com/天气", id="a path that is not ASCII"),
        pytest.param("https://oapi.dingtalk.com\t.evil.com/", id="a tab"),
        pytest.param("https://oapi.dingtalk.com\n.evil.com/", id="a line break"),
        pytest.param("https://oapi.dingtalk.com/\n", id="a line break behind"),
        pytest.param("https://oapi.dingtalk.com\r/", id="a carriage return"),
        pytest.param("https://oapi.dingtalk.com\0/", id="a NUL"),
        pytest.param("https://oapi.dingtalk.com\x7f/", id="a DEL"),
        pytest.param(" https://oapi.dingtalk.com/", id="a blank before"),
        pytest.param("https://oapi.dingtalk.com /", id="a blank in the host"),
        pytest.param("https://oapi.dingtalk.com/a b", id="a blank in the path"),
        pytest.param("https://oapi.dingtalk.com./robot", id="a dot behind the host"),
        pytest.param("https://.oapi.dingtalk.com/", id="a dot before the host"),
        pytest.param("https://-oapi.dingtalk.com/", id="a dash before the host"),
        pytest.param("https://oapi%2edingtalk.com/", id="an escaped dot"),
        pytest.param("https://oapi.dingtalk.com%00.evil.com/", id="an escaped NUL"),
        pytest.param("https://oapi_dingtalk.com/", id="an underscore"),
        pytest.param("https://oapi.dingtalk.com,evil.com/", id="a comma"),
        pytest.param("https://oapi.dingtalk.com;evil.com/", id="a semicolon"),
        pytest.param("https://oapi.dingtalk.com:/", id="an empty port"),
        pytest.param("https://oapi.dingtalk.com:0/", id="port 0"),
        pytest.param("https://oapi.dingtalk.com:65536/", id="port 65536"),
        pytest.param("https://oapi.dingtalk.com:-1/", id="a negative port"),
        pytest.param("https://oapi.dingtalk.com:+443/", id="a port with a plus"),
        pytest.param("https://oapi.dingtalk.com:4_43/", id="a port with an underscore"),
        pytest.param("https://oapi.dingtalk.com:https/", id="a port by name"),
        pytest.param("https://oapi.dingtalk.com:443:443/", id="two ports"),
        pytest.param("https://[::1/", id="an open bracket"),
        pytest.param("https://::1/", id="no brackets"),
        pytest.param("https://[oapi.dingtalk.com]/", id="a name in brackets"),
        pytest.param("https://[fe80::1%25eth0]/", id="a zone"),
        pytest.param("https:///robot", id="no host"),
        pytest.param("https://", id="nothing behind the scheme"),
        pytest.param("https:oapi.dingtalk.com", id="no slashes"),
        pytest.param("https:/oapi.dingtalk.com", id="one slash"),
        pytest.param("//oapi.dingtalk.com/", id="no scheme"),
        pytest.param("oapi.dingtalk.com", id="a host alone"),
        pytest.param("ftp://oapi.dingtalk.com/", id="another scheme"),
        pytest.param("file:///etc/passwd", id="a file"),
        pytest.param("gopher://oapi.dingtalk.com:6379/", id="gopher"),
        pytest.param("javascript:alert(1)", id="javascript"),
        pytest.param("", id="empty"),
    ],
)
def test_a_url_that_can_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(InvalidOriginError):
        origin_of(url)


@pytest.mark.parametrize(
    "url", ["https://[::1]22/", "https://[::1]evil.com/", "https://evil.com[::1]/"]
)
def test_nothing_may_be_beside_an_address_in_brackets(url: str) -> None:
    with pytest.raises(InvalidOriginError):
        origin_of(url)


def test_a_refusal_does_not_show_the_url() -> None:
    with pytest.raises(InvalidOriginError) as refusal:
        origin_of("https://user@oapi.dingtalk.com/robot/sendBySession?session=0123")
    assert "0123" not in str(refusal.value)


@pytest.mark.parametrize("port", [1, 65535])
def test_every_port_that_there_is_can_be_told(port: int) -> None:
    assert origin_of(f"http://127.0.0.1:{port}/") == f"http://127.0.0.1:{port}"


HOSTS = st.sampled_from(
    ["oapi.dingtalk.com", "evil.com", "127.0.0.1", "[::1]", "[::ffff:1.2.3.4]", "1.2", "0x7f.1", ""]
)
PIECES = st.one_of(HOSTS, st.text("aZ09.:@/?#[]\\%&=;,_-~!+。\t\n ", max_size=4))
URLS = st.builds(
    lambda scheme, pieces: scheme + "".join(pieces),
    st.sampled_from(["https://", "http://", "HTTPS://", "https:", "//", ""]),
    st.lists(PIECES, min_size=1, max_size=6),
)


@settings(max_examples=2_000)
@given(URLS | st.text())
@example(SESSION_WEBHOOK)
@example("https://[::1]22/")
def test_urllib_and_httpx_read_an_accepted_url_alike(url: str) -> None:
    try:
        origin = origin_of(url)
        parsed = httpx.URL(url)
    except (InvalidOriginError, httpx.InvalidURL):
        return  # what either of them refuses is sent nowhere
    parts = urlsplit(url)
    by_urllib = (parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme])
    by_httpx = (
        parsed.scheme,
        parsed.raw_host.decode(),
        parsed.port or DEFAULT_PORTS[parsed.scheme],
    )
    assert by_urllib == by_httpx
    assert origin_of(origin) == origin


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", None])
def test_this_machine_alone_is_loopback_and_so_is_no_host(host: str | None) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.5", "oapi.dingtalk.com", "localhost.evil"]
)
def test_nothing_else_is_loopback(host: str) -> None:
    assert not is_loopback(host)
