// The details of one message: its timeline, its raw JSON, and the actions on it; or those of a card.

import * as api from "./api.js";
import { drawCardDetails } from "./card_details.js";
import { element, refill } from "./dom.js";
import { logPart, skillFacts, tracebackPart } from "./inspection.js";
import { codeOf, stateName, stateOf } from "./states.js";
import { wordsOf } from "./store.js";
import { texts } from "./texts.js";
import { stepsOf } from "./timeline.js";
import { closeButton, raw } from "./widgets.js";

/** Draws a record or a card, and again only when it or the language changes, to keep the selection. */
export class Details {
  #panel;
  #page;
  #drawn = {};

  /**
   * @param {HTMLElement} panel
   * @param {{close(): void, attempt(request: Promise<unknown>): void, edit(record: object): void,
   *   nameOf(staffId: string): string}} page
   */
  constructor(panel, page) {
    this.#panel = panel;
    this.#page = page;
  }

  draw(subject) {
    if (this.#drawn.subject === subject && this.#drawn.texts === texts) return;
    this.#drawn = { subject, texts };
    const draw = subject.out_track_id ? drawCardDetails : drawRecord;
    draw(this.#panel, subject, this.#page);
  }
}

function drawRecord(panel, record, page) {
  const state = stateOf(record);
  const opened = [...panel.querySelectorAll("details[open]")].map(({ id }) => id);
  const output = panel.querySelector(".output") ?? element("div", { class: "output", role: "status" });
  if (panel.dataset.msgId !== record.msg_id) output.replaceChildren();
  panel.dataset.msgId = record.msg_id;
  refill(
    panel,
    element("h2", { id: "details-title", tabindex: "-1", "data-key": "title" }, texts.what),
    closeButton(page.close),
    element("p", { class: "quote" }, wordsOf(record.said)),
    stateLine(state),
    skillFacts(record),
    tracebackPart(record),
    element("h3", {}, texts.timeline),
    timeline(record),
    record.ledger_id && !record.stories.length && record.ack
      ? element("p", { class: "hint" }, texts.noLedger)
      : null,
    actions(record, page, output),
    output,
    logPart(record, opened),
    raw("raw-callback", texts.rawCallback, record.callback, opened),
    record.mode === "http" ? raw("raw-headers", texts.rawHeaders, record.headers, opened) : null,
    ...[record.in_callback_reply, ...record.replies]
      .filter(Boolean)
      .map(({ payload }, at) => raw(`raw-reply-${at}`, texts.rawReply(at + 1), payload, opened)),
  );
}

/** The state's name, its word in the ledger, and what it means. */
function stateLine(state) {
  const [code, meaning] = [codeOf(state), texts.states[state]];
  return element(
    "p",
    {},
    element("span", { class: `state ${state}` }, stateName(state)),
    ...(meaning && code ? [" ", element("code", {}, code)] : []),
    meaning ? ` · ${meaning}` : null,
  );
}

function timeline(record) {
  const items = stepsOf(record).map(({ name, at_ms: at, words, detail, tone }) =>
    element(
      "li",
      { class: `step ${tone}`, "data-step": name },
      element("span", { class: "after" }, after(at - record.sent_at_ms)),
      element("span", { class: "what" }, words),
      detail ? element("code", {}, detail) : null,
    ),
  );
  return element("ol", { class: "timeline" }, ...items);
}

const after = (ms) => (Math.abs(ms) < 10_000 ? `${sign(ms)}${ms} ms` : `${sign(ms)}${(ms / 1000).toFixed(1)} s`);
const sign = (ms) => (ms < 0 ? "" : "+");

function actions(record, { attempt, edit }, output) {
  const { msg_id: msgId } = record;
  const copied = async (text) => {
    const done = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    output.replaceChildren(
      element("p", {}, done ? texts.copied : texts.notCopied),
      element("pre", { tabindex: "0" }, text),
    );
  };
  const button = (words, act) =>
    element("button", { type: "button", "data-key": words, onclick: () => attempt(act()) }, words);
  return element(
    "div",
    { class: "actions" },
    button(texts.sendAgain, () => (record.raw ? api.sendRaw(record) : api.say(record.said))),
    button(texts.editAndSend, async () => edit(record)),
    button(texts.redeliver, () => api.redeliver(msgId)),
    button(texts.expire, () => api.expire(msgId)),
    // A frame is no request that a command could repeat.
    record.mode === "http" ? button(texts.copyCurl, async () => copied(await api.asCurl(msgId))) : null,
    button(texts.copyLink, () => copied(location.href)),
    button(texts.copyTest, async () => copied(await api.asTest(msgId))),
  );
}
