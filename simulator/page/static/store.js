// The page's state: the records from the server, and what the user has chosen.

import { texts } from "./texts.js";

const PEOPLE = ["张三", "李四", "王五"];
/** How many people are listed: many more may speak at once. */
const MOST_PEOPLE = 8;
export const GROUP = "group";
const OTHER_GROUP = "group/";
const SINGLE = "single/";
/** A single chat with another robot than the first: robot/<robot>/<person>. */
const WITH_ROBOT = "robot/";

export class Store {
  records = new Map();
  /** By outTrackId. */
  cards = new Map();
  faults = { callbacks: null, replies: null };
  /** The mode of DingTalk's pushes, and in Stream mode the connections; null until it is known. */
  stream = null;
  streamFaults = {};
  /** The demo's processes and numbers; null in another simulator. */
  demo = null;
  /** What is used of the OpenAPI, and its faults; null until it is known. */
  openapi = null;
  people = [...PEOPLE];
  /** The skills that a worker has loaded; [] until they are known. */
  skills = [];
  /** What the robots are called, the first one first. */
  robots = [];
  /** The robot that messages in groups are sent to; "": the first. */
  robot = "";
  /** The conversations that are there besides the first group and the single chats with the first robot. */
  others = new Set();
  /** The sender of messages in the group. */
  speaker = PEOPLE[0];
  /** Whether the robot is published. */
  published = true;
  /** How much came that was not seen, by conversation, and since when. */
  unread = new Map();
  /** Since when there is something new in the open conversation; null if there was nothing when it was opened. */
  newSince = null;
  /** Whether somebody can see the page. */
  isSeen = true;
  /** Nicknames by userid. */
  names = new Map();
  /** Userids by nickname. */
  staffIds = new Map();
  selected = null;

  constructor(open) {
    this.open = open;
  }

  /** How messages go to the bot: "stream", or "http", also until the server has said it. */
  get mode() {
    return this.stream?.mode ?? "http";
  }

  /** The userid of the person who looks at the open conversation; undefined if it is not known. */
  get viewer() {
    return this.staffIds.get(personOf(this.open) ?? this.speaker);
  }

  forget() {
    this.records.clear();
    this.cards.clear();
    this.unread.clear();
    this.newSince = null;
  }

  put(record, isNew) {
    const before = this.records.get(record.msg_id);
    this.records.set(record.msg_id, { ...record, mode: this.mode });
    const { sender } = record.said;
    if (this.people.length < MOST_PEOPLE && !this.people.includes(sender)) this.people.push(sender);
    const staffId = record.callback.senderStaffId;
    if (staffId) this.meet(staffId, sender);
    const conversation = conversationOf(record);
    this.#know(conversation);
    const isRead = conversation === this.open && this.isSeen;
    if (isNew && !isRead) this.#markUnread(conversation, record, before);
  }

  meet(staffId, name) {
    this.names.set(staffId, name);
    this.staffIds.set(name, staffId);
  }

  enter(conversation) {
    if (conversation !== this.open) this.newSince = null;
    this.open = conversation;
    this.#read();
    this.#know(conversation);
    const person = personOf(conversation);
    if (person && !this.people.includes(person)) this.people.push(person);
  }

  /** Notes whether somebody can see the page: what comes while nobody does is unread. */
  look(isSeen) {
    this.isSeen = isSeen;
    if (isSeen) this.#read();
  }

  unreadCount() {
    return [...this.unread.values()].reduce((sum, { count }) => sum + count, 0);
  }

  #read() {
    this.newSince = this.unread.get(this.open)?.since_ms ?? this.newSince;
    this.unread.delete(this.open);
  }

  #markUnread(conversation, record, before) {
    const count = shownCount(record) - (before ? shownCount(before) : 0);
    if (count <= 0) return;
    const first = { count: 0, since_ms: record.sent_at_ms + (before ? record.replies.at(-1)?.after_ms ?? 0 : 0) };
    const unread = this.unread.get(conversation) ?? first;
    this.unread.set(conversation, { ...unread, count: unread.count + count });
  }

  /** The groups first. */
  conversations() {
    const others = [...this.others];
    return [
      GROUP,
      ...others.filter((each) => !personOf(each)),
      ...this.people.map((name) => SINGLE + name),
      ...others.filter(personOf),
    ];
  }

  #know(conversation) {
    if (conversation !== GROUP && !conversation.startsWith(SINGLE)) this.others.add(conversation);
  }

  /** What a robot is called; "" is the first. */
  nameOfRobot(robot) {
    return this.robots.length > 1 ? robot || this.robots[0] : texts.bot;
  }

  inConversation(conversation) {
    return [...this.records.values()]
      .filter((record) => conversationOf(record) === conversation)
      .sort((a, b) => a.sent_at_ms - b.sent_at_ms);
  }
}

export const singleWith = (person, robot) =>
  robot ? `${WITH_ROBOT}${robot.replaceAll("/", "%2F")}/${person}` : SINGLE + person;
export const groupCalled = (name) => (name && name !== texts.group ? OTHER_GROUP + name : GROUP);
export const conversationOf = ({ said }) =>
  said.single ? singleWith(said.sender, said.robot) : groupCalled(said.group);

const withRobot = (conversation) => /^robot\/([^/]+)\/(.+)$/s.exec(conversation);

/** The person of a single chat; null for a group. */
export const personOf = (conversation) =>
  conversation.startsWith(SINGLE) ? conversation.slice(SINGLE.length) : (withRobot(conversation)?.[2] ?? null);

/** The name of a group besides the first; "" for any other conversation. */
export const groupOf = (conversation) =>
  conversation.startsWith(OTHER_GROUP) ? conversation.slice(OTHER_GROUP.length) : "";

/** The robot of a single chat; "": the first, and in groups. */
export const robotOf = (conversation) =>
  (withRobot(conversation)?.[1] ?? "").replaceAll("%2F", "/");

export const isConversation = (conversation) =>
  conversation === GROUP || groupOf(conversation) !== "" || personOf(conversation) !== null;

export const titleOf = (conversation) => {
  const person = personOf(conversation);
  if (!person) return groupOf(conversation) || texts.group;
  const robot = robotOf(conversation);
  return robot ? texts.singleWith(person, robot) : texts.single(person);
};

/** The clients' words for kinds without a text. */
const PLACEHOLDERS = {
  audio: "[语音]",
  picture: "[图片]",
  file: "[文件]",
  video: "[视频]",
  chatRecord: "[聊天记录]",
  interactiveCard: "[卡片]",
};
const MENTION = "@钉答";

/** A message in one line, without the mention of the bot, which the chat draws itself. */
export function wordsOf({ kind, text, runs = [], pictures = 0, quoted, at_all: atAll }) {
  const parts = [
    quoted ? `「${wordsOf(quoted)}」` : "",
    atAll ? "@所有人" : "",
    PLACEHOLDERS.picture.repeat(pictures),
    PLACEHOLDERS[kind],
    text || runs.filter((run) => run.trim() !== MENTION).join(""),
  ];
  return parts.filter(Boolean).join(" ");
}

/** How many messages the chat shows of a record: what was said, and the replies. */
const shownCount = ({ card, prompted, replies, in_callback_reply: first }) =>
  card ? 1 : (prompted === false ? 0 : 1) + replies.filter(replyIsShown).length + (first ? 1 : 0);

export const replyIsShown = (reply) => reply.errcode === 0;
