// The chat: the messages, the replies that the chat shows, and a note where there is none.

import { cardMessage, drawCard } from "./cards.js";
import { idOf, itemsOf } from "./chat_items.js";
import { element } from "./dom.js";
import { foldIfLong } from "./fold.js";
import { quoteButton, quoteOfMessage, quoteOfReply } from "./quotes.js";
import { renderReply } from "./replies.js";
import { drawSaid } from "./said.js";
import { stateName, stateOf } from "./states.js";
import { language, texts } from "./texts.js";
import { drawWaiting } from "./waiting.js";
import { avatar, byline, bylineOfBot } from "./widgets.js";

const NEAR_END_PX = 80;
const MESSAGES = ["said", "reply", "card"];

/** Draws a conversation, and keeps the nodes that have not changed, so that little is read out again. */
export class Chat {
  #log;
  #toNewest;
  #page;
  #drawn = new Map();
  /** Whether the newest is to be seen, wherever the log has been scrolled to. */
  toEnd = true;
  /** The message or card that is to be seen as soon as it is there. */
  #sought = null;
  /** The keys of the long texts that were unfolded. */
  #unfolded = new Set();
  #isWaiting = false;
  /** Whether the newest was in sight, and nobody has scrolled away from it since. */
  #wasAtEnd = true;
  #scrolledTo = 0;

  /**
   * @param {HTMLElement} log
   * @param {HTMLElement} toNewest a button that shows when something comes that is out of sight.
   * @param {{choose(id: string): void, press(card: object, button: object): void, quote(quoted: object): void}} page
   *   opens the details of a message or a card, presses a card's button, and answers to a message.
   */
  constructor(log, toNewest, page) {
    this.#log = log;
    this.#toNewest = toNewest;
    toNewest.addEventListener("click", () => this.#goToEnd());
    log.addEventListener("scroll", () => this.#noteScroll());
    // The box below grows, and pictures have no height before they are there.
    new ResizeObserver(() => this.#stayAtEnd()).observe(log);
    log.addEventListener("load", () => this.#stayAtEnd(), { capture: true });
    this.#page = page;
  }

  /** Brings a message, a card or the line above what is new into sight, as soon as it is there; null: none. */
  reveal(id) {
    this.#sought = id;
  }

  draw(store) {
    const atEnd = this.toEnd || this.#isNearEnd();
    this.toEnd = false;
    const items = itemsOf(store);
    const drawn = new Map();
    for (const item of items) {
      const look = JSON.stringify([item.look, language, store.names.size]);
      const before = this.#drawn.get(item.key);
      const isSame = before?.look === look;
      const node = isSame || (before && item.kind === "card") ? before.node : this.#build(item, store);
      if (item.kind === "said") drawState(node.querySelector(".state"), item.record);
      if (item.kind === "card" && !isSame) drawCard(node, item, store.viewer, this.#page);
      if (item.kind === "waiting") drawWaiting(node, item);
      node.classList.toggle("chosen", store.selected === idOf(item));
      drawn.set(item.key, { look, node });
    }
    this.#show([...drawn.values()].map(({ node }) => node));
    for (const [key, { node }] of drawn) {
      if (this.#drawn.get(key)?.node !== node) foldIfLong(node, key, this.#unfolded);
    }
    const isNews = items.some(({ kind, key }) => MESSAGES.includes(kind) && !this.#drawn.has(key));
    this.#isWaiting = items.some(({ kind }) => kind === "waiting");
    this.#drawn = drawn;
    if (atEnd) this.#goToEnd();
    else if (isNews) this.#toNewest.hidden = false;
    this.#bringIntoSight(items);
  }

  /** Tells for how long the bot has been at it; to be called once a second. */
  tick(store) {
    if (this.#isWaiting) this.draw(store);
  }

  #isNearEnd() {
    return this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < NEAR_END_PX;
  }

  /** A picture may grow the log before its own scroll is told here: only to scroll up is to leave the end. */
  #noteScroll() {
    const isUp = this.#log.scrollTop < this.#scrolledTo;
    this.#scrolledTo = this.#log.scrollTop;
    this.#wasAtEnd = this.#isNearEnd() || (this.#wasAtEnd && !isUp);
    this.#toNewest.hidden ||= this.#wasAtEnd;
  }

  #stayAtEnd() {
    if (this.#wasAtEnd) this.#goToEnd();
  }

  #goToEnd() {
    this.#wasAtEnd = true;
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#scrolledTo = this.#log.scrollTop;
    this.#toNewest.hidden = true;
  }

  #bringIntoSight(items) {
    const found = items.find((item) => idOf(item) === this.#sought);
    if (!found) return;
    this.#drawn.get(found.key).node.scrollIntoView({ block: "nearest" });
    this.#wasAtEnd = this.#isNearEnd();
    this.#sought = null;
  }

  #build(item, store) {
    if (item.kind === "said") return this.#said(item);
    if (item.kind === "card") return cardMessage(item.card);
    if (item.kind === "reply") return shownReply(item, store.names, this.#page);
    if (item.kind === "waiting") return element("p", { class: "waiting", "aria-live": "off" });
    if (item.kind === "divider") return element("p", { class: "divider" }, texts.newBelow);
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
    quoteButton(key, () => page.quote(quoteOfReply(reply, names))),
  );
}
