"""The tutorial's view, line by line: it checks, looks nothing up, and answers in the response."""

import base64
import hashlib
import hmac
import json
import os
import time
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

_HOUR_MS = 3600000


def check_timestamp(timestamp: str) -> bool:
    """Whether a callback is at most an hour old."""
    now_timestamp = int(time.time() * 1000)
    return now_timestamp - int(timestamp) <= _HOUR_MS


def check_sign(timestamp: str, sign: str) -> bool:
    """Whether DingTalk signed it."""
    app_secret = os.environ["BENCH_SECRET"]
    app_secret_enc = app_secret.encode("utf-8")
    string_to_sign = f"{timestamp}\n{app_secret}"
    string_to_sign_enc = string_to_sign.encode("utf-8")
    hmac_code = hmac.new(app_secret_enc, string_to_sign_enc, digestmod=hashlib.sha256).digest()
    return sign == base64.b64encode(hmac_code).decode("utf-8")


@csrf_exempt
def resp_dd(request: HttpRequest) -> JsonResponse:
    """Answer a callback."""
    timestamp = request.headers.get("timestamp", "")
    sign = request.headers.get("sign", "")
    if not (check_timestamp(timestamp) and check_sign(timestamp, sign)):
        return JsonResponse({"status": False, "data": "非法請求"})
    body = json.loads(request.body)
    user_id, content = body["senderId"], body["text"]["content"]
    replies = _replies(user_id, content)
    return JsonResponse(replies.get(content[1:], {"msgtype": "empty"}))


def _replies(user_id: str, content: str) -> dict[str, dict[str, Any]]:
    """The tutorial builds all of them, for every message."""
    at = {"atUserIds": [user_id], "isAtAll": False}
    card = {"title": "州的先生 Python 實戰教程合集", "text": " \n #### 州的先生"}
    site = "http://mrdoc.zmister.com"
    button = {"title": "去看看", "actionURL": site}
    link = {"title": "時代的火車向前開", "messageURL": site, "picURL": site}
    markdown = {"title": "州的先生機器人助理", "text": "## 這是什么?"}
    return {
        "text": {"at": at, "text": {"content": f"你剛剛發的消息是:[{content}]"}, "msgtype": "text"},
        "markdown": {"msgtype": "markdown", "markdown": markdown, "at": at},
        "整體跳轉": {
            "msgtype": "actionCard",
            "actionCard": card | {"singleTitle": "閱讀全文", "singleURL": site},
        },
        "獨立跳轉": {
            "msgtype": "actionCard",
            "actionCard": card | {"hideAvatar": "0", "btnOrientation": "0", "btns": [button] * 2},
        },
        "feed": {"msgtype": "feedCard", "feedCard": {"links": [link] * 2}},
    }
