"""Every sentence that the bot says of itself, in one place, in simplified Chinese.

The worker turns them into traditional characters for who writes those (`worker/text.py`).
"""

BUSY = "系统繁忙，请稍后再试"
FAILED = "抱歉，处理「{skill}」时出错了，已记录下来，请稍后再试"
TIMED_OUT = "抱歉，「{skill}」太久没有结果，请稍后再试"
REJECTED = "抱歉，回复内容被钉钉拒绝，无法显示"
HELP_TITLE = "我能做什么"
HELP_HINT = "群里请先 @ 我，再发上面的任意一条。"
UNAVAILABLE = "{service}暂时连不上，不是你的问题，请稍后再试"
MISCONFIGURED = "{service}的配置有问题，不是你的问题，请联系管理员"
NOT_ALLOWED = "抱歉，你没有使用「{skill}」的权限"
GROUP_ONLY = "「{skill}」只能在群里用"
SINGLE_ONLY = "「{skill}」只能在与我的单聊里用"
SENT_PRIVATELY = "结果已私聊发给你"
ASK_PRIVATELY = "这个问题请在单聊里问我"
LOOKING_UP = "正在查询…"
MISSING = "请告诉我{label}。用法：{usage}"
NOT_UNDERSTOOD = "没有认出{label}：「{rest}」。用法：{usage}"
DID_YOU_MEAN = "没有听懂。你是不是想说："
TOO_LONG = "这句话太长了，请精简一些"
