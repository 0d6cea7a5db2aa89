// The chat: the messages, the replies that the chat shows, and a note where there is none.

import { cardMessage, drawCard } from "./cards.js";
import { element } from "./dom.js";
import { quoteButton, quoteOfMessage, quoteOfReply } from "./quotes.js";
import { renderReply } from "./replies.js";
import { drawSaid } from "./said.js";
import { endingOf, isEnded, stateName, stateOf, whyUndelivered } from "./states.js";
import { personOf, replyIsShown } from "./store.js";
import { language, texts } from "./texts.js";
import { avatar, byline, bylineOfBot } from "./widgets.js";

const NEAR_END_PX = 80;

/** Draws a conversation, and keeps the nodes that have not changed, so that little is read out again. */
export class Chat {
  #log;
  #page;
  #drawn = new Map();
  /** Whether the newest is to be seen, wherever the log has been scrolled to. */
  toEnd = true;
  /** The message or card that is to be seen as soon as it is there. */
  #sought = null;

  /**
   * @param {HTMLElement} log
   * @param {{choose(id: string): void, press(card: object, button: object): void, quote(quoted: object): void}} page
   *   opens the details of a message or a card, presses a card's button, and answers to a message.
   */
  constructor(log, page) {
    this.#log = log;
    this.#page = page;
  }

  /** Brings a message or card into sight, and marks it as the one whose details are open. */
  reveal(id) {
    this.#sought = id;
  }

  draw(store) {
    const hidden = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight;
    const atEnd = this.toEnd || hidden < NEAR_END_PX;
    this.toEnd = false;
    const speaker = personOf(store.open) ? null : store.speaker;
    const records = store.inConversation(store.open);
    const items = records
      .flatMap((record) =>
        record.card
          ? cardItems(record, store)
          : itemsOf(record, records, {
              isMine: record.said.sender === (speaker ?? record.said.sender),
              bot: store.nameOfRobot(record.said.robot),
            }),
      )
      .sort((a, b) => a.at_ms - b.at_ms);
    const drawn = new Map();
    for (const item of items) {
      const look = JSON.stringify([item.look, language, store.names.size]);
      const before = this.#drawn.get(item.key);
      const isSame = before?.look === look;
      const node = isSame || (before && item.kind === "card") ? before.node : this.#build(item, store);
      if (item.kind === "said") drawState(node.querySelector(".state"), item.record);
      if (item.kind === "card" && !isSame) drawCard(node, item, store.viewer, this.#page);
      node.classList.toggle("chosen", store.selected === idOf(item));
      drawn.set(item.key, { look, node });
    }
    this.#show([...drawn.values()].map(({ node }) => node));
    this.#drawn = drawn;
    if (atEnd) this.#log.scrollTop = this.#log.scrollHeight;
    const found = items.find((item) => idOf(item) === this.#sought);
    if (!found) return;
    drawn.get(found.key).node.scrollIntoView({ block: "nearest" });
    this.#sought = null;
  }

  #build(item, store) {
    if (item.kind === "said") return this.#said(item);
    if (item.kind === "card") return cardMessage(item.card);
    if (item.kind === "reply") return shownReply(item, store.names, this.#page);
    return element("p", { class: `note ${item.tone}` }, item.words);
  }

  #said({ record, isMine, bot }) {
    const { said, msg_id: msgId, reactions } = record;
    return element(
      "article",
      { class: `message ${isMine ? "mine" : "other"}`, "data-msg-id": msgId },
      avatar(said.sender),
      byline(record.sent_at_ms, said.sender),
      ...drawSaid(record, bot),
      reactions.length
        ? element("ul", { class: "reactions", "aria-label": texts.reactions }, ...reactions.map((each) => element("li", {}, each)))
        : null,
      element(
        "div",
        { class: "foot" },
        element("button", {
          type: "button",
          class: "state",
          "data-key": `state ${msgId}`,
          onclick: () => this.#page.choose(msgId),
        }),
        quoteButton(msgId, () => this.#page.quote(quoteOfMessage(said))),
      ),
    );
  }

  #show(nodes) {
    const focused = document.activeElement?.dataset?.key;
    const present = [...this.#log.children];
    if (!nodes.length) {
      this.#log.replaceChildren(element("p", { class: "note" }, texts.empty));
      return;
    }
    if (present.length === nodes.length && nodes.every((node, at) => node === present[at])) return;
    const kept = new Set(nodes);
    for (const node of present) if (!kept.has(node)) node.remove();
    nodes.forEach((node, at) => {
      if (this.#log.children[at] !== node) {
        this.#log.insertBefore(node, this.#log.children[at] ?? null);
      }
    });
    if (focused && document.activeElement === document.body) {
      document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    }
  }
}

/** The id of the message or card that an item shows. */
const idOf = ({ kind, key, card }) => (kind === "said" ? key : card?.out_track_id);

/** Shows a message's state; it changes often and need not be read out. */
function drawState(button, record) {
  const state = stateOf(record);
  const words = stateName(state);
  if (button.textContent === words) return;
  button.textContent = words;
  button.dataset.state = state;
  button.className = `state ${state.split(" ")[0].toLowerCase()}`;
  button.setAttribute("aria-label", `${texts.what}: ${words}`);
}

/** A card that the bot has sent to the conversation; in a group it may be for some people only. */
function cardItems({ msg_id: key, sent_at_ms: at_ms, card: id }, store) {
  const card = store.cards.get(id);
  const recipients = card?.spaces.find(({ record_id: recordId }) => recordId === key)?.recipients ?? [];
  const isSeen = card && (!recipients.length || recipients.includes(store.viewer));
  return isSeen ? [{ kind: "card", key, at_ms, card, look: [card, store.viewer] }] : [];
}

function itemsOf(record, records, { isMine, bot }) {
  const { msg_id: id, sent_at_ms: sent } = record;
  const said = { kind: "said", key: id, at_ms: sent, record, look: [isMine, bot, record.reactions], isMine, bot };
  const replies = record.replies.map((reply, at) => replyItem(`${id} ${at}`, sent, reply, bot));
  const first = record.in_callback_reply;
  if (record.prompted === false) return replies;
  if (first) replies.unshift({ ...replyItem(`${id} ack`, sent, first, bot), inCallback: true });
  return [said, ...replies, ...silence(record, records)];
}

function replyItem(key, sent, reply, bot) {
  const item = { key, at_ms: sent + reply.after_ms, look: [reply, bot], bot };
  if (replyIsShown(reply)) return { ...item, kind: "reply", reply };
  const words = texts.unheard[reply.trouble] ?? texts.refusedReply(reply.errcode, reply.errmsg);
  return { ...item, kind: "note", tone: "bad", words };
}

/** A note where there is no reply; an answer may also be a card in the same conversation. */
function silence(record, records) {
  const timeline = record.stories.at(-1);
  const shown = record.replies.some(replyIsShown) || record.in_callback_reply;
  const note = (words, tone = "") => [
    {
      ...{ kind: "note", key: `${record.msg_id} end`, look: words, words, tone },
      at_ms: timeline?.ended_ms ?? record.sent_at_ms + (record.ack?.after_ms ?? 0),
    },
  ];
  const state = stateOf(record);
  if (state === "undelivered") {
    return note(`${texts.undelivered[record.mode]}: ${whyUndelivered(record)}`, "bad");
  }
  if (/^(HTTP|code) /.test(state)) return note(texts.notAcknowledged[record.mode](state), "bad");
  if (timeline && isEnded(timeline.state)) {
    if (timeline.state === "dead") return note(endingOf(timeline), "bad");
    const isOnCard =
      timeline.state === "answered" &&
      records.some(({ card, sent_at_ms: at }) => card && record.sent_at_ms <= at && at <= timeline.ended_ms);
    return shown || isOnCard ? [] : note(`${texts.noReply} · ${endingOf(timeline)}`);
  }
  const isOld = Date.now() - record.sent_at_ms > 5000;
  return !timeline && !shown && isOld && state === "acknowledged" ? note(texts.noReplyYet) : [];
}

function shownReply({ key, reply, inCallback, at_ms, bot }, names, page) {
  const unheard = reply.trouble && texts.unheard[reply.trouble];
  return element(
    "article",
    { class: "message bot", "data-msgtype": reply.payload.msgtype },
    reply.payload.actionCard?.hideAvatar === "1" ? null : avatar(bot, "robot"),
    bylineOfBot(at_ms, bot),
    renderReply(reply, names),
    inCallback ? element("p", { class: "remark" }, texts.inCallback) : null,
    unheard ? element("p", { class: "remark" }, unheard) : null,
    ...reply.warnings.map((each) => element("p", { class: "remark" }, texts.warnings[each])),
    quoteButton(key, () => page.quote(quoteOfReply(reply))),
  );
}
