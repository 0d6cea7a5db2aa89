// Everything that the page says, in two languages. The ledger's states are terms, and stay as they are.

const zh = {
  brand: "钉答",
  simulated: "模拟的钉钉",
  skip: "跳到输入框",
  badDay: "坏天气",
  otherLanguage: "English",
  otherTheme: "深色 / 浅色",
  conversations: "会话",
  group: "钉答演示群",
  groupKind: "群",
  single: (name) => `${name} 的单聊`,
  nothingYet: "还没有消息",
  unread: "有新消息",
  log: "聊天记录",
  empty: "说点什么吧：@钉答，或点下面的例子。",
  suggestions: "例子",
  speaker: "发言人",
  mentionBot: "@钉答",
  notMentioned: "群里不 @ 机器人，钉钉不会把消息交给它",
  yourMessage: "消息",
  typeHere: "Enter 发送，Shift+Enter 换行",
  send: "发送",
  bot: "钉答",
  robot: "机器人",
  inCallback: "写在回调的响应里",
  everyone: "所有人",
  picture: "图片",
  noReply: "没有回复",
  noReplyYet: "还没有回复",
  refusedReply: (code, why) => `钉钉没有收下这条回复：errcode ${code}，${why}`,
  failedReply: "钉钉对这条回复答了 HTTP 500，没有显示它",
  unheard: { hang: "钉钉显示了回复，但一直不应答", close: "钉钉显示了回复，但应答途中断开了" },
  notDelivered: "没有送到机器人",
  notAcknowledged: (status) => `网关没有收下：HTTP ${status}`,
  what: "这条消息怎么样了",
  close: "关闭",
  lineDown: "连接断开，正在重连……",
  badDayOn: (what) => `坏天气：${what}`,
  goodDay: "恢复晴天",
  sending: "正在发送",
  acknowledged: "已确认",
  states: {
    accepted: "已存好，在排队",
    leased: "工作进程正在处理",
    sending: "正在发回复",
    answered: "已回答",
    unmatched: "没有技能认领",
    refused: "技能说了不行",
    dead: "没有好结局",
  },
  steps: {
    sent: "发出回调",
    acknowledged: "网关确认",
    undelivered: "没有送到",
    redelivered: "再次投递，网关确认",
    accepted: "存入账本，进入队列",
    leased: (worker, attempt) => `被 ${worker} 领取（第 ${attempt} 次）`,
    someWorker: "某个工作进程",
    skillStarted: "技能开始",
    skillEnded: "技能结束",
    sending: "认领发送",
    posted: "回复送达钉钉",
    inCallback: "回复写在回调的响应里",
    again: "稍后再试",
    ended: "结束",
    closed: "会话关闭",
  },
  noLedger: "读不到账本：这里只有钉钉看到的。",
  timeline: "经过",
  rawCallback: "回调原文",
  rawHeaders: "请求头",
  rawReply: (number) => `回复原文 ${number}`,
  sendAgain: "再说一遍",
  redeliver: "重复投递同一条",
  expire: "会话现在过期",
  copyCurl: "复制为 curl",
  copyTest: "复制为测试",
  copied: "已复制：",
  notCopied: "浏览器不让复制，请手动选择：",
  badDayHint: "开关一直有效，直到关掉；看机器人怎么应付。",
  replyTroubles: "机器人回复时",
  callbackTroubles: "钉钉回调时",
  newest: "对本会话最新的一条消息",
  unpublished: "机器人还没发布（钉钉不给提问者的 userid）",
  troubles: {
    none: "一切正常",
    throttle: "限流（130101）",
    refuse: "拒绝（300001，会话不存在）",
    fail: "HTTP 500",
    hang: "显示回复但不应答",
    close: "显示回复但断线",
    wrong_signature: "签名错误",
    clock_off: "时钟慢两小时",
    quota: "额度用完（errorCode 20001）",
  },
};

const en = {
  brand: "Dingda",
  simulated: "simulated DingTalk",
  skip: "Skip to the message box",
  badDay: "Bad day",
  otherLanguage: "中文",
  otherTheme: "Dark / light",
  conversations: "Conversations",
  group: "钉答演示群",
  groupKind: "群",
  single: (name) => `${name}, alone`,
  nothingYet: "No messages yet",
  unread: "new messages",
  log: "Chat",
  empty: "Say something: mention @钉答, or take one of the examples below.",
  suggestions: "Examples",
  speaker: "Speak as",
  mentionBot: "@钉答",
  notMentioned: "In a group, DingTalk only delivers messages that mention the bot",
  yourMessage: "Message",
  typeHere: "Enter sends, Shift+Enter starts a new line",
  send: "Send",
  bot: "钉答",
  robot: "bot",
  inCallback: "in the callback's own response",
  everyone: "everyone",
  picture: "picture",
  noReply: "No reply",
  noReplyYet: "No reply so far",
  refusedReply: (code, why) => `DingTalk did not take this reply: errcode ${code}, ${why}`,
  failedReply: "DingTalk answered this reply with HTTP 500 and did not show it",
  unheard: {
    hang: "DingTalk showed the reply and never answered its sender",
    close: "DingTalk showed the reply and broke off while answering",
  },
  notDelivered: "Not delivered to the bot",
  notAcknowledged: (status) => `The gateway did not take it: HTTP ${status}`,
  what: "What happened to this message",
  close: "Close",
  lineDown: "Connection lost, trying again …",
  badDayOn: (what) => `Bad day: ${what}`,
  goodDay: "Good day again",
  sending: "sending",
  acknowledged: "acknowledged",
  states: {
    accepted: "stored and waiting",
    leased: "a worker has it",
    sending: "the reply is on the wire",
    answered: "answered",
    unmatched: "no skill wants it",
    refused: "the skill said no",
    dead: "ended badly",
  },
  steps: {
    sent: "Callback sent",
    acknowledged: "Acknowledged by the gateway",
    undelivered: "Not delivered",
    redelivered: "Delivered again, acknowledged",
    accepted: "Stored in the ledger, queued",
    leased: (worker, attempt) => `Leased by ${worker} (attempt ${attempt})`,
    someWorker: "a worker",
    skillStarted: "Skill started",
    skillEnded: "Skill ended",
    sending: "Claimed to be sent",
    posted: "Reply posted to DingTalk",
    inCallback: "Reply in the callback's own response",
    again: "To be tried again",
    ended: "Ended",
    closed: "Session closed",
  },
  noLedger: "The ledger can't be read: this is what DingTalk sees, and no more.",
  timeline: "Timeline",
  rawCallback: "Raw callback",
  rawHeaders: "Headers",
  rawReply: (number) => `Raw reply ${number}`,
  sendAgain: "Send again",
  redeliver: "Redeliver the same",
  expire: "Expire session now",
  copyCurl: "Copy as curl",
  copyTest: "Copy as test",
  copied: "Copied:",
  notCopied: "The browser would not copy; select it by hand:",
  badDayHint: "A switch stays on until it is turned off; see how the bot takes it.",
  replyTroubles: "When the bot replies",
  callbackTroubles: "When DingTalk calls back",
  newest: "To this conversation's newest message",
  unpublished: "The robot is not published (DingTalk keeps the asker's userid)",
  troubles: {
    none: "All is well",
    throttle: "Throttle (130101)",
    refuse: "Refuse (300001, no such session)",
    fail: "HTTP 500",
    hang: "Show the reply, never answer",
    close: "Show the reply, close the line",
    wrong_signature: "Wrong signature",
    clock_off: "Clock two hours slow",
    quota: "Quota used up (errorCode 20001)",
  },
};

const languages = { zh, en };
const wanted = () =>
  new URLSearchParams(location.search).get("lang") ??
  localStorage.getItem("language") ??
  navigator.language;

export let language = wanted().toLowerCase().startsWith("zh") ? "zh" : "en";
export let texts = languages[language];

/** Speaks the other language from now on, and writes it wherever the page's HTML asks for it. */
export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  texts = languages[language];
  localStorage.setItem("language", language);
  writeTexts();
}

export function writeTexts() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = `${texts.brand} · ${texts.simulated}`;
  for (const node of document.querySelectorAll("[data-text]")) {
    node.textContent = texts[node.dataset.text];
  }
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", texts[node.dataset.label]);
  }
  for (const node of document.querySelectorAll("[data-placeholder]")) {
    node.placeholder = texts[node.dataset.placeholder];
  }
}
