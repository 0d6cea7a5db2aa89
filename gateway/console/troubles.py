"""What keeps DingTalk from answering our questions at all, as findings."""

from dingda.gateway.console.openapi import Answer, Call, Meaning, meaning_of
from dingda.shared.runtime.finding import Finding, Severity

_ADDRESS = "开发配置 > 安全中心 > 服务器出口IP: add the address that this machine goes out by"
_CREDENTIALS = "copy Client ID and Client Secret again, from 基础信息 > 凭证与基础信息"
_LATER = "try again in a minute"

TROUBLES: dict[Meaning, tuple[str, str, str]] = {
    Meaning.CREDENTIALS: (
        "credentials",
        "DingTalk doesn't know this Client ID, or not with this Client Secret ({said})",
        _CREDENTIALS,
    ),
    Meaning.ADDRESS: ("address", "{host} takes no calls from this machine's address", _ADDRESS),
    Meaning.QUOTA: (
        "quota",
        "the organisation's API calls of this month are used up ({said})",
        "资源管理 in the console; private answers fail until more are bought, or the month ends",
    ),
    Meaning.THROTTLED: ("throttled", "{host} takes no more calls just now ({said})", _LATER),
    Meaning.BUSY: ("busy", "{host} is busy ({said})", _LATER),
    Meaning.REFUSED: (
        "refused",
        "{host} refuses a call ({said})",
        "开发配置 > 权限管理 and 安全中心 may say why",
    ),
    Meaning.NOT_DINGTALK: (
        "network",
        "a response from {host} is not DingTalk's ({said})",
        "look at DINGDA_PROXY_URL, DINGDA_OPENAPI_URL and DINGDA_OAPI_URL, and at what is between",
    ),
    Meaning.UNTRUSTED: (
        "network",
        "{host} has a certificate that is not its own ({said}): something on the way reads TLS",
        "let connections to DingTalk pass as they are; see docs/connect.md",
    ),
    Meaning.UNREACHABLE: (
        "network",
        "{host} can't be reached ({said})",
        "let TCP 443 out to it, or set DINGDA_PROXY_URL; see docs/connect.md",
    ),
}
"""The finding's name, what is wrong, and what to do about it."""


def trouble(call: Call, response: Answer) -> Finding:
    """The finding for a response that answers another question than the one that was asked.

    It is the same for all calls to a host, so that it is told once.
    """
    name, what, advice = TROUBLES.get(meaning_of(response), TROUBLES[Meaning.REFUSED])
    return Finding(name, Severity.WARNING, what.format(host=call.host, said=response.said), advice)
