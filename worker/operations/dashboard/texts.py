"""All that the dashboard says, in Chinese and in English.

States, reasons and names of settings are terms, and not translated.
"""

from dataclasses import dataclass

LANGUAGES = ("zh-CN", "en")

TEXTS: dict[str, tuple[str, str]] = {
    # every page
    "brand": ("钉答看板", "Dingda"),
    "skip": ("跳到内容", "Skip to the content"),
    "pages": ("页面", "Pages"),
    "now": ("现在", "Now"),
    "dead": ("死信", "Dead letters"),
    "find": ("查一条消息", "Find a message"),
    "other_language": ("English", "中文"),
    "sign_in": ("登录", "Sign in"),
    "sign_out": ("退出", "Sign out"),
    "as_reader": ("只读", "reading"),
    "as_actor": ("可操作", "may act"),
    "paused": (
        "已暂停：工作进程不再领取消息。新消息照常收下并排队；会话关闭前没有恢复的，就来不及回答了。",
        (
            "Paused: workers take no messages. New ones are accepted and wait; those whose session "
            "closes before you resume are not answered."
        ),
    ),
    "back": ("返回", "Back"),
    "cancel": ("取消", "Cancel"),
    "no_redis": ("连不上 Redis", "Redis cannot be reached"),
    "no_redis_why": (
        "看板读不到账本（DINGDA_REDIS_URL）。网关这时对每条消息答“系统繁忙”。页面会自己再试。",
        (
            "The dashboard cannot read the ledger (DINGDA_REDIS_URL). Meanwhile the gateway tells "
            "senders that the bot is busy. This page tries again by itself."
        ),
    ),
    "not_found": ("没有这一页", "There is no such page"),
    # now
    "accepted_per_s": ("收下 / 秒", "accepted / s"),
    "accepted_chart": ("最近 {0} 每秒收下的消息", "Messages accepted a second, last {0}"),
    "over_minute": ("最近一分钟", "over the last minute"),
    "chart": ("图：最近 {0}，最多 {1}", "chart: last {0}, at most {1}"),
    "open": ("未完", "open"),
    "open_parts": (
        "排队 {0} · 处理中 {1} · 等待 {2}",
        "{0} queued · {1} held · {2} resting",
    ),
    "oldest": ("最老的在排队", "oldest in queue"),
    "no_queue": ("没有排队", "nothing queued"),
    "dead_on_list": ("死信", "dead letters"),
    "dead_to_do": ("待处理", "on the list"),
    "workers_title": ("工作进程", "Workers"),
    "workers": ("工作进程", "workers"),
    "no_workers": (
        "没有活着的工作进程：没有人回答消息。",
        "No worker is alive: nothing is answered.",
    ),
    "slots": ("占用的位置", "slots in use"),
    "ends": ("结局", "Ends"),
    "kind": ("结局", "end"),
    "lately": ("最近 {0}", "last {0}"),
    "ever": ("开始以来", "ever"),
    "invariant": (
        "收下 {0} + 重试 {1} = 结束 {2} + 未完 {3}",
        "{0} accepted + {1} retried = {2} ended + {3} open",
    ),
    "stages": ("各阶段用时", "Time by stage"),
    "stage": ("阶段", "stage"),
    "messages": ("消息", "messages"),
    "since_start": ("开始以来", "since the beginning"),
    "stage_queue": ("排队", "queue"),
    "stage_skill": ("技能", "skill"),
    "stage_delivery": ("送达", "delivery"),
    "stage_total": ("合计", "total"),
    "since": ("已运行 {0}", "up {0}"),
    "seen": ("{0} 前报到", "seen {0} ago"),
    "idle": ("空闲", "idle"),
    "more": ("另有 {0} 条", "{0} more"),
    "no_skill": ("没有技能", "no skill"),
    "circuits": ("断开的后端", "Open circuits"),
    "no_circuits": ("没有：所有后端都照常调用。", "None: every backend is called."),
    "circuit_workers": ("{0} 个工作进程不再调用", "not called by {0} worker(s)"),
    "redis": ("Redis", "Redis"),
    "server": ("服务器", "server"),
    "redis_role": ("角色", "role"),
    "memory": ("内存", "memory"),
    "memory_of": ("{0}，上限 {1}", "{0} of {1}"),
    "no_limit": ("{0}，没有上限", "{0}, no limit"),
    "policy": ("满了以后", "when full"),
    "aof": ("追加日志", "append-only file"),
    "on": ("开", "on"),
    "off": ("关", "off"),
    "failing": ("开，但写不进去", "on, but writing fails"),
    "replicas": ("副本", "replicas"),
    "none": ("没有", "none"),
    "lag": ("{0} 前确认，落后 {1}", "heard {0} ago, {1} behind"),
    "pause": ("暂停", "Pause"),
    "resume": ("恢复", "Resume"),
    "pause_title": ("暂停与恢复", "Pause and resume"),
    "pause_why": (
        (
            "暂停后，这个 Redis 上的所有工作进程都不再领取消息，手上的会做完。"
            "消息照常收下并排队，会话大约 90 分钟后关闭。"
        ),
        (
            "Pausing keeps every worker on this Redis from taking messages; what they hold they "
            "finish. Messages are accepted and wait; a session closes after about 90 minutes."
        ),
    ),
    "stop_refresh": ("停止刷新", "Stop refreshing"),
    "stale": (
        "没有收到新数据，下面是 {0} 的。",
        "No new figures arrive: these are of {0}.",
    ),
    "may_not_act": (
        "要重试、丢弃、暂停，请用操作密码登录。",
        "To retry, discard or pause, sign in with the password to act.",
    ),
    "nobody_acts": (
        "没有设置操作密码（DINGDA_DASHBOARD_ACT_PASSWORD），这里只能看。",
        "No password to act is set (DINGDA_DASHBOARD_ACT_PASSWORD): this is for looking only.",
    ),
    # dead letters
    "no_dead": ("没有死信。", "No dead letters."),
    "dead_why": (
        "没有回答就结束的消息，按原因分组。死信保留一周；重试只在会话关闭之前有用。",
        (
            "Messages that ended without an answer, by reason. They are kept for a week; a retry "
            "helps only until the session closes."
        ),
    ),
    "dead_newest": (
        "只数了最新的 {0} 条，共 {1} 条。",
        "Only the newest {0} are grouped, of {1}.",
    ),
    "reason": ("原因", "reason"),
    "count": ("条数", "messages"),
    "can_retry": ("还能重试", "can be retried"),
    "newest": ("最新", "newest"),
    "oldest_one": ("最早", "oldest"),
    "all_groups": ("所有原因", "All reasons"),
    "one_message": ("消息", "Message"),
    "message": ("消息", "message"),
    "conversation": ("会话", "conversation"),
    "told": ("事件或卡片操作", "told"),
    "ended": ("结束", "ended"),
    "waited": ("从收下起", "after"),
    "leases": ("领取", "leases"),
    "session": ("会话窗口", "session"),
    "session_open": ("还开 {0}", "open for {0}"),
    "session_closed": ("已关闭", "closed"),
    "choose": ("选中这条", "Choose this message"),
    "retry_chosen": ("重试选中的…", "Retry chosen…"),
    "discard_chosen": ("丢弃选中的…", "Discard chosen…"),
    "retry_group": ("重试整组…", "Retry the group…"),
    "discard_group": ("丢弃整组…", "Discard the group…"),
    "retry_one": ("重试…", "Retry…"),
    "discard_one": ("丢弃…", "Discard…"),
    "older": ("更早", "Older"),
    "newer": ("更新", "Newer"),
    "page_of": ("第 {0}–{1} 条，共 {2} 条", "{0}–{1} of {2}"),
    "nothing_chosen": (
        "没有选中任何消息，或者它们已经不在列表里了。",
        "Nothing is chosen, or it is no longer on the list.",
    ),
    "review_retry": ("重试 {0} 条？", "Retry {0}?"),
    "review_discard": ("丢弃 {0} 条？", "Discard {0}?"),
    "will_answer": (
        (
            "{0} 条的会话还开着：它们重新排队，技能再运行一次，回答发到原来的会话。"
            "最早的会话还开 {1}。"
        ),
        (
            "{0} with an open session: queued again, the skill runs once more, and the answer goes "
            "to the conversation. The first of these sessions closes in {1}."
        ),
    ),
    "will_refuse": (
        "{0} 条的会话已经关闭：钉钉不再收回答，重试会被拒绝，它们留在列表里。",
        (
            "{0} with a closed session: DingTalk takes no answer any more, so the retry is refused "
            "and they stay on the list."
        ),
    ),
    "will_repeat": (
        "{0} 条是 unknown：回答很可能已经显示过了，重试后提问的人可能看到两次。",
        "{0} ended as unknown: the answer was most likely shown, so the sender may see two.",
    ),
    "will_discard": (
        "它们从列表里消失，保留的原文也一起删除，不能撤销。总数不变。",
        (
            "They leave the list, and what was kept of them is deleted. This cannot be undone. The "
            "totals stay."
        ),
    ),
    "will_most": (
        "一次最多 {0} 条，最新的在先；其余的请再来一次。",
        "At most {0} at once, the newest first; then come again for the rest.",
    ),
    "will_pause": (
        "现在是暂停的：重试的消息要等恢复以后才处理。",
        "The workers are paused: what is retried waits until you resume.",
    ),
    "do_retry": ("重试 {0} 条", "Retry {0}"),
    "do_discard": ("丢弃 {0} 条", "Discard {0}"),
    "done_retry": ("重试的结果", "What became of the retry"),
    "done_discard": ("丢弃的结果", "What became of the discard"),
    "result_accepted": ("{0} 条重新排队。", "{0} accepted again."),
    "result_expired": (
        "{0} 条被拒绝：会话已经关闭，钉钉不再收回答。",
        "{0} refused: the session has closed, so DingTalk takes no answer.",
    ),
    "result_gone": (
        "{0} 条被拒绝：账本已经不认识它们。",
        "{0} refused: the ledger no longer knows them.",
    ),
    "result_other": (
        "{0} 条被拒绝：它们已经是 {1}。",
        "{0} refused: they are {1} already.",
    ),
    "result_discarded": ("{0} 条已丢弃。", "{0} discarded."),
    "result_missing": (
        "{0} 条已经不在列表里。",
        "{0} no longer on the list.",
    ),
    # sign-in
    "sign_in_why": (
        "读密码能看；操作密码还能重试、丢弃、暂停。",
        "The password to read lets you look; the one to act also retries, discards and pauses.",
    ),
    "password": ("密码", "Password"),
    "wrong_password": ("密码不对。", "That is not the password."),
    "too_many": (
        "错得太多了，请等一分钟再试。",
        "Too many wrong passwords: wait a minute.",
    ),
    # messages
    "find_why": (
        "填 id 就打开那一条，没有结束的也行；不填就列出最近结束的，其他几项缩小范围。",
        (
            "An id opens its message, which may be open as well. Without one, those that ended "
            "lately are listed, as the other fields say."
        ),
    ),
    "field_id": ("id 的开头，或钉钉的 msgId", "beginning of the id, or DingTalk's msgId"),
    "field_sender": ("发送者 staffId", "sender's staffId"),
    "field_conversation": ("会话 conversationId", "conversation's id"),
    "field_since": ("从", "from"),
    "field_until": ("到", "until"),
    "search": ("查找", "Find"),
    "found": ("找到 {0} 条，最新的在先", "{0} found, the newest first"),
    "found_most": ("最新的 {0} 条，请缩小范围", "The newest {0}: narrow it down"),
    "nothing_found": (
        "没有找到。日志只保留最近结束的消息（DINGDA_JOURNAL）。",
        "Nothing found. The journal keeps the latest ended messages only (DINGDA_JOURNAL).",
    ),
    "host": ("主机", "host"),
    "result": ("结果", "result"),
    "error": ("错误", "error"),
    "robot": ("机器人", "robot"),
    "sender": ("发送者", "sender"),
    "skill": ("技能", "skill"),
    "outcome": ("结局", "end"),
    "took": ("用时", "took"),
    "unknown_message": (
        "账本和日志都不认识这个 id，或者有几条都这样开头。",
        "Neither ledger nor journal knows this id, or several begin so.",
    ),
    "timeline": ("经过", "Timeline"),
    "facts": ("详情", "Facts"),
    "backend_calls": ("调用的后端", "Backend calls"),
    "attempts": ("送达的尝试", "delivery attempts"),
    "step_accepted": ("收下，进入队列", "accepted and queued"),
    "step_leased": ("被 {0} 领取", "taken by {0}"),
    "step_sending": ("认领发送", "claimed to send"),
    "step_retry": ("稍后再试", "to be tried again"),
    "step_ended": ("结束", "ended"),
    "some_worker": ("某个工作进程", "a worker"),
    "words": ("写了什么", "What was written"),
    "show_words": ("显示原文", "Show what was written"),
    "words_why": (
        "显示会记入日志：谁、什么时候、哪一条。",
        "Showing it leaves a line in the log: who, when, which message.",
    ),
    "words_gone": (
        "原文已经删除：消息结束了，或者会话关闭了。",
        "It is deleted: the message has ended, or its session has closed.",
    ),
    "words_off": (
        "不显示原文（DINGDA_DASHBOARD_SHOW_WORDS 没有打开）。",
        "What was written is not shown (DINGDA_DASHBOARD_SHOW_WORDS is off).",
    ),
}
"""Name → the text in each of `LANGUAGES`; `{0}` and so on are what a page fills in."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts in one language; templates call it with a text's name and what to fill in."""

    language: str

    def __call__(self, name: str, *values: object) -> str:
        """One text; the values are escaped with it where the page is put together."""
        return TEXTS[name][LANGUAGES.index(self.language)].format(*values)


def choose_language(kept: str, accepted: str) -> str:
    """The language for a reader.

    Args:
        kept: what was chosen before, or "".
        accepted: the header Accept-Language. Chinese is for those who name it before English, and
            for those who name neither.
    """
    if kept in LANGUAGES:
        return kept
    named = (part.strip()[:2].lower() for part in accepted.split(","))
    first = next((language for language in named if language in ("zh", "en")), "zh")
    return "en" if first == "en" else "zh-CN"
