// The panel that switches DingTalk's faults on and off.

import * as api from "./api.js";
import { element, refill } from "./dom.js";
import { openapiFaultsOn, openapiParts } from "./openapi.js";
import { wordsOf } from "./store.js";
import { isStream, streamFaultsOn, streamParts } from "./stream.js";
import { texts } from "./texts.js";
import { closeButton } from "./widgets.js";

const FAULTS = {
  replies: [
    ...["throttle", "busy", "refuse", "content"],
    ...["fail", "unavailable", "gateway", "packed", "hang", "close"],
  ],
  callbacks: ["wrong_signature", "clock_off", "quota"],
};

/** A frame is not signed. */
const OF_SIGNATURES = ["wrong_signature", "clock_off"];

/**
 * @param {HTMLElement} panel
 * @param {import("./store.js").Store} store
 * @param {{close(): void, attempt(request: Promise<unknown>): void, redraw(): void}} page
 */
export function drawBadDay(panel, store, page) {
  refill(
    panel,
    element("h2", { id: "bad-day-title", tabindex: "-1", "data-key": "title" }, texts.badDay),
    closeButton(page.close),
    element("p", { class: "hint" }, texts.badDayHint),
    ...streamParts(store, page),
    switches("replies", texts.replyFaults, store, page),
    switches("callbacks", texts.callbackFaults, store, page),
    ...openapiParts(store, page),
    unpublished(store, page),
    newest(store, page),
  );
}

function switches(side, legend, store, { attempt }) {
  const faults = FAULTS[side].filter((fault) => !isStream(store) || !OF_SIGNATURES.includes(fault));
  const options = [null, ...faults].map((fault) =>
    element(
      "label",
      {},
      element("input", {
        type: "radio",
        name: side,
        value: fault ?? "none",
        "data-key": `${side} ${fault}`,
        checked: store.faults[side] === fault,
        onchange: () => attempt(api.setFaults({ ...store.faults, [side]: fault })),
      }),
      texts.faults[fault ?? "none"],
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

/** Ends those of Stream mode and of the OpenAPI where there are any. */
const endFaults = (store) =>
  Promise.all([
    api.setFaults({}),
    streamFaultsOn(store).length ? api.setStreamFaults({}) : null,
    openapiFaultsOn(store).length ? api.setOpenAPIFault(null) : null,
  ]);

/** The faults that are on, above the chat, and a button that ends them. */
export function drawBanner(banner, store, { attempt }) {
  const faults = Object.values(store.faults).filter(Boolean);
  const on = [...faults.map((fault) => texts.faults[fault]), ...streamFaultsOn(store), ...openapiFaultsOn(store)];
  banner.hidden = !on.length;
  refill(
    banner,
    element("span", {}, texts.badDayOn(on.join(" · "))),
    element(
      "button",
      { type: "button", "data-key": "good", onclick: () => attempt(endFaults(store)) },
      texts.goodDay,
    ),
  );
}
