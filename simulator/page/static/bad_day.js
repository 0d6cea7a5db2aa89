// DingTalk's bad days at a switch.

import * as api from "./api.js";
import { closeButton } from "./details.js";
import { element, refill } from "./dom.js";
import { wordsOf } from "./store.js";
import { texts } from "./texts.js";

const TROUBLES = {
  replies: [
    ...["throttle", "busy", "refuse", "content"],
    ...["fail", "unavailable", "gateway", "packed", "hang", "close"],
  ],
  callbacks: ["wrong_signature", "clock_off", "quota"],
};

/**
 * @param {HTMLElement} panel
 * @param {import("./store.js").Store} store
 * @param {{close(): void, attempt(doing: Promise<unknown>): void, redraw(): void}} page
 */
export function drawBadDay(panel, store, page) {
  refill(
    panel,
    element("h2", { id: "bad-day-title", tabindex: "-1", "data-key": "title" }, texts.badDay),
    closeButton(page.close),
    element("p", { class: "hint" }, texts.badDayHint),
    switches("replies", texts.replyTroubles, store, page),
    switches("callbacks", texts.callbackTroubles, store, page),
    unpublished(store, page),
    newest(store, page),
  );
}

function switches(side, legend, store, { attempt }) {
  const options = [null, ...TROUBLES[side]].map((trouble) =>
    element(
      "label",
      {},
      element("input", {
        type: "radio",
        name: side,
        value: trouble ?? "none",
        "data-key": `${side} ${trouble}`,
        checked: store.badDay[side] === trouble,
        onchange: () => attempt(api.haveBadDay({ ...store.badDay, [side]: trouble })),
      }),
      texts.troubles[trouble ?? "none"],
    ),
  );
  return element("fieldset", {}, element("legend", {}, legend), ...options);
}

function unpublished(store, { redraw }) {
  const onchange = ({ target }) => {
    store.published = !target.checked;
    redraw();
  };
  const box = { type: "checkbox", "data-key": "unpublished", checked: !store.published, onchange };
  return element("label", {}, element("input", box), texts.unpublished);
}

function newest(store, { attempt }) {
  const record = store.inConversation(store.open).at(-1);
  const button = (words, act) =>
    element(
      "button",
      { type: "button", "data-key": words, disabled: !record, onclick: () => attempt(act()) },
      words,
    );
  return element(
    "fieldset",
    {},
    element("legend", {}, texts.newest),
    element("p", { class: "quote" }, (record && wordsOf(record.said)) || texts.nothingYet),
    button(texts.redeliver, () => api.redeliver(record.msg_id)),
    button(texts.expire, () => api.expire(record.msg_id)),
  );
}

/** What is wrong today, above the chat, and the way back. */
export function drawBanner(banner, store, { attempt }) {
  const troubles = Object.values(store.badDay).filter(Boolean);
  banner.hidden = !troubles.length;
  refill(
    banner,
    element("span", {}, texts.badDayOn(troubles.map((one) => texts.troubles[one]).join(" · "))),
    element(
      "button",
      { type: "button", "data-key": "good", onclick: () => attempt(api.haveBadDay({})) },
      texts.goodDay,
    ),
  );
}
