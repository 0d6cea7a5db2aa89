"""The errors of DingTalk's OpenAPI, as a status and a body each.

Facts: the pages on its APIs, on error codes (server-api-error-codes-1) and on permissions
(add-api-permission), and what callers report.
"""

from typing import Any

Error = tuple[int, dict[str, Any]]
"""A status and a body."""

QPS_LIMIT = (403, {"code": "Forbidden.AccessDenied.QpsLimitForApi", "message": "too fast"})
NO_PERMISSION = (200, {"errcode": 88, "sub_code": "60011", "sub_msg": "没有调用该接口的权限"})
BUSY = (200, {"errcode": -1, "errmsg": "系统繁忙"})
# Captured so, the status of the second as well, which is elsewhere said to be 401.
FORGOTTEN = (200, {"errcode": 88, "sub_code": "40014", "sub_msg": "不合法的access_token"})
UNAUTHORIZED = (400, {"code": "InvalidAuthentication", "message": "不合法的access_token"})
EXPIRED = (200, {"errcode": 88, "sub_code": "42001", "sub_msg": "access_token已过期"})
NO_SUCH_USER = (200, {"errcode": 60121, "errmsg": "找不到该用户"})
NO_SUCH_DEPARTMENT = (200, {"errcode": 60003, "errmsg": "部门不存在"})
NO_DEPARTMENT = (200, {"errcode": 400002, "errmsg": "无效的参数"})
INVALID_USERID = (200, {"errcode": 33012, "errmsg": "无效的USERID"})
NO_BODY = (400, {"code": "Missingbody", "message": "body is mandatory for this action."})
WRONG_SECRET = (
    400,
    {"code": "invalidClientIdOrSecret", "message": "无效的clientId或者clientSecret"},
)
NO_SUCH_STAFF = (400, {"code": "staffId.notExisted", "message": "员工ID不存在"})
# DingTalk documents no error for this.
BAD_MESSAGE = (400, {"code": "invalidParameter.msgParam", "message": "msgParam 不合法"})
FOREIGN_ADDRESS = (
    403,
    {"code": "Forbidden.AccessDenied.IpNotInWhiteList", "message": "访问ip不在白名单之中"},
)
OUT_OF_CALLS = (
    403,
    {"code": "Forbidden.AccessDenied.ApiCountLimitForOrg", "message": "调用量已超过限制"},
)
NO_ROBOT_CODE = (400, {"code": "invalidParameter.robotCode.missing", "message": "缺少robotCode"})
NO_MESSAGE_KEY = (
    400,
    {"code": "invalidParameter.processQueryKey.missing", "message": "缺少processQueryKey"},
)
UNKNOWN_ROBOT = (400, {"code": "invalidParameter.robotCode.notExsit", "message": "机器人不存在"})
UNKNOWN_MESSAGE = (400, {"code": "invalid.processQueryKey", "message": "无效的processQueryKey"})
OTHER_ROBOT = (
    400,
    {
        "code": "invalidRequest.robotCodeNotMatch",
        "message": "应用与绑定的机器人robotCode不相符",
    },
)
SYSTEM_BUSY = (500, {"code": "system.busy", "message": "系统繁忙"})
NO_TEMPLATE = (400, {"code": "templateNotExist", "message": "模板不存在"})
UNSAFE = (400, {"code": "contentUnsafe", "message": "内容不合规"})
ROUTE_KEY_EXISTS = (400, {"code": "callbackRouteKeyExist", "message": "callbackRouteKey已存在"})
FOREIGN_ROBOT = (
    400,
    {"code": "invalidParameter.robotCode.auth", "message": "robotCode与应用不匹配"},
)
FOREIGN_GROUP = (400, {"code": "conversation.org.notMatch", "message": "群不属于该组织"})
WRONG_DOWNLOAD_CODE = (
    400,
    {"code": "invalidParameter.robotCode.downloadCode", "message": "downloadCode错误"},
)
NOT_A_MESSAGE = (500, {"code": "system.err", "message": "系统错误"})
OVERLOADED = (503, {"code": "ServiceUnavailable", "message": "try later"})


def without(permission: str) -> Error:
    """The newer API's error for a call whose permission is missing."""
    return (
        403,
        {
            "code": "Forbidden.AccessDenied.AccessTokenPermissionDenied",
            "message": "没有调用该接口的权限",
            "accessdenieddetail": {"requiredScopes": [permission]},
        },
    )
