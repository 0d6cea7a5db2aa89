"""Every sentence that the bot says of itself, in one place, in simplified Chinese.

The worker turns them into traditional characters for who writes those (`worker/text.py`).
"""

BUSY = "系统繁忙，请稍后再试"
FAILED = "抱歉，处理「{skill}」时出错了，已记录下来，请稍后再试"
TIMED_OUT = "抱歉，「{skill}」太久没有结果，请稍后再试"
REJECTED = "抱歉，回复内容被钉钉拒绝，无法显示"
HELP_TITLE = "我能做什么"
HELP_HINT = "群里请先 @ 我，再发上面的任意一条。"
