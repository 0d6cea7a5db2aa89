import pytest

from dingda.shared.runtime.egress import DIRECT, Egress

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("host", "is_direct"),
    [
        ("hr.example", True),
        ("api.hr.example", True),
        ("10.0.0.5", True),
        ("otherhr.example", False),
        ("hr.example.org", False),
        ("example", False),
        ("110.0.0.5", False),
    ],
)
def test_a_host_is_near_with_its_subdomains_and_no_other_is(host: str, *, is_direct: bool) -> None:
    egress = Egress(PROXY, direct_hosts=("hr.example", "10.0.0.5"))
    assert egress.proxy_for(host) == ("" if is_direct else PROXY)


def test_without_a_proxy_every_host_is_near() -> None:
    assert DIRECT.proxy_for("hr.example") == ""


def test_the_egress_settings_show_no_password() -> None:
    assert "s3cret" not in repr(Egress("http://worker:s3cret@proxy.example:3128"))
