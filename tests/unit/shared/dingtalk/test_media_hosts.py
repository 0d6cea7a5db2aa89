"""Where a sent file may be downloaded from."""

import pytest

from dingda.shared.dingtalk.media_hosts import MediaHosts
from dingda.shared.errors import InvalidOriginError

DINGTALKS = MediaHosts()


@pytest.mark.parametrize(
    "url",
    [
        "https://down.dingtalk.com/media/a.png",
        "https://wukong-file-im-zjk.oss-cn-zhangjiakou.aliyuncs.com/a?Signature=a%2Bb%3D&Expires=1",
    ],
)
def test_dingtalks_storage_is_known(url: str) -> None:
    assert DINGTALKS.checked(url) == url


def test_a_plain_http_url_is_asked_for_over_tls() -> None:
    url = "http://a.oss-cn-beijing.aliyuncs.com/f%2Fg?Signature=a%2Bb%3D"
    assert DINGTALKS.checked(url) == f"https{url.removeprefix('http')}"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a",
        "https://dingtalk.com.evil.example/a",
        "https://evildingtalk.com/a",
        "https://down.dingtalk.com@evil.example/a",
        "https://down.dingtalk.com:8443/a",
        "https://evil.example/?.dingtalk.com",
        "https://127.0.0.1/a",
        "https://[::1]/a",
        "http://169.254.169.254/latest/meta-data",
        "https://2130706433/a",
        "ftp://down.dingtalk.com/a",
        "file:///etc/passwd",
        "https:///a",
        "https://down.dingtalk.com\\@evil.example/a",
        "https://down.dingtalk.com。evil.example/a",
        "",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidOriginError):
        DINGTALKS.checked(url)


def test_an_origin_that_an_operator_names_is_taken_as_it_is() -> None:
    hosts = MediaHosts.of(["http://127.0.0.1:8765", "https://Files.corp.example"])
    for url in ("http://127.0.0.1:8765/media/1?sign=x", "https://files.corp.example/1"):
        assert hosts.checked(url) == url
    assert hosts.hosts_named == {"127.0.0.1", "files.corp.example"}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8766/media/1",
        "http://files.corp.example/1",
        "https://a.files.corp.example/1",
        "https://down.dingtalk.com/1",
    ],
)
def test_an_origin_that_an_operator_names_is_that_alone(url: str) -> None:
    hosts = MediaHosts.of(["http://127.0.0.1:8765", "https://files.corp.example"])
    with pytest.raises(InvalidOriginError):
        hosts.checked(url)


@pytest.mark.parametrize(
    "name", ["", "a b", "files.example:8443", "ftp://files.example", "a/b", "*", "http://a/b"]
)
def test_what_names_no_host_is_refused(name: str) -> None:
    with pytest.raises(InvalidOriginError):
        MediaHosts.of([name])
