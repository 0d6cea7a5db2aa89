"""What a response of DingTalk's OpenAPI says about the caller."""

from typing import Any

import pytest

from dingda.gateway.console.openapi import Call, Meaning, NoResponse, Response, meaning_of

DENIED = "Forbidden.AccessDenied.AccessTokenPermissionDenied"


@pytest.mark.parametrize(
    ("status", "fields", "meaning"),
    [
        (200, {"list": []}, Meaning.ALLOWED),
        (200, {"errcode": 0, "errmsg": "ok", "result": {}}, Meaning.ALLOWED),
        (200, {"errcode": 60121, "errmsg": "找不到该用户"}, Meaning.ALLOWED),
        (200, {"errcode": 88, "sub_code": "60011"}, Meaning.NO_PERMISSION),
        (200, {"errcode": 60011}, Meaning.NO_PERMISSION),
        (200, {"errcode": 88, "sub_code": "60020"}, Meaning.ADDRESS),
        (200, {"errcode": 88, "sub_code": "90018"}, Meaning.THROTTLED),
        (200, {"errcode": 90020}, Meaning.QUOTA),
        (200, {"errcode": 88, "sub_code": "40014"}, Meaning.REFUSED),
        (200, {"errcode": "88", "sub_code": "1"}, Meaning.REFUSED),
        (200, {"errcode": -1}, Meaning.BUSY),
        (200, {"errcode": 10**5000, "code": [{}]}, Meaning.ALLOWED),
        (400, {"code": "invalid.processQueryKey"}, Meaning.ALLOWED),
        (400, {"code": "invalidParameter.robotCode.notExsit"}, Meaning.ALLOWED),
        (400, {"code": "invalidClientIdOrSecret"}, Meaning.CREDENTIALS),
        (400, {"code": "InvalidAuthentication"}, Meaning.REFUSED),
        (400, {"code": "auth.error"}, Meaning.REFUSED),
        (401, {"code": "authFailed"}, Meaning.CREDENTIALS),
        (403, {"code": DENIED}, Meaning.NO_PERMISSION),
        (403, {"code": "Forbidden.AccessDenied.IpNotInWhiteList"}, Meaning.ADDRESS),
        (403, {"code": "Forbidden.AccessDenied.ApiCountLimitForOrg"}, Meaning.QUOTA),
        (403, {"code": "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi"}, Meaning.THROTTLED),
        (403, {"code": "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi"}, Meaning.THROTTLED),
        (403, {"code": "permission.deny"}, Meaning.REFUSED),
        (404, {"message": "no such path"}, Meaning.NOT_DINGTALK),
        (429, {"code": "too many"}, Meaning.THROTTLED),
        (503, None, Meaning.BUSY),
        (504, {"code": "ServiceUnavailable"}, Meaning.BUSY),
        (200, {"status": 1111, "wait": 5, "punish": "deny"}, Meaning.NOT_DINGTALK),
        (200, None, Meaning.NOT_DINGTALK),
        (403, None, Meaning.NOT_DINGTALK),
        (302, {}, Meaning.NOT_DINGTALK),
    ],
)
def test_a_response_says_something_about_the_caller(
    status: int, fields: dict[str, Any] | None, meaning: Meaning
) -> None:
    assert meaning_of(Response(status, fields)) is meaning


def test_no_response_is_a_host_that_is_not_reached_or_not_believed() -> None:
    assert meaning_of(NoResponse("TimeoutError")) is Meaning.UNREACHABLE
    assert meaning_of(NoResponse("SSLError", is_untrusted=True)) is Meaning.UNTRUSTED


def test_the_permissions_that_are_missing_are_named_by_dingtalk() -> None:
    detail = {"requiredScopes": ["qyapi_robot_sendmsg", "Card.Streaming.Write"]}
    response = Response(403, {"code": DENIED, "accessdenieddetail": detail})
    assert response.missing_permissions == ("qyapi_robot_sendmsg", "Card.Streaming.Write")


@pytest.mark.parametrize(
    "detail",
    [None, "no", [], {}, {"requiredScopes": "x"}, {"requiredScopes": [1, "", "\x1b[31m", "a b"]}],
)
def test_names_of_permissions_that_can_be_none_are_left_out(detail: object) -> None:
    assert Response(403, {"accessdenieddetail": detail}).missing_permissions == ()


def test_what_is_shown_of_a_response_is_its_status_and_its_code() -> None:
    assert Response(403, {"code": "a.b", "message": "张三"}).said == "HTTP 403, a.b"
    assert Response(200, {"errcode": 88, "sub_code": "60011"}).said == "HTTP 200, 60011"
    assert Response(502, None).said == "HTTP 502"
    assert Response(400, {"code": "\x1b]0;x\x07" + "c" * 500}).said.isprintable()
    assert len(Response(400, {"code": "c" * 500}).said) < 100


def test_what_is_shown_of_a_call_holds_no_credential() -> None:
    call = Call("POST", "https://oapi.example/x", {"access_token": "canary"}, {"s": "canary"})
    assert "canary" not in repr(call)
    assert call.host == "oapi.example"
    assert "canary" not in repr(Response(200, {"accessToken": "canary"}))
