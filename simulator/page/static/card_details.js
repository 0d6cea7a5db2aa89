// The details of one card: where it is, what was pressed on it, and its data.

import { element, refill } from "./dom.js";
import { texts } from "./texts.js";
import { closeButton, raw, timeOf } from "./widgets.js";

/**
 * @param {HTMLElement} panel
 * @param {object} card
 * @param {{close(): void, nameOf(staffId: string): string}} page
 */
export function drawCardDetails(panel, card, { close, nameOf }) {
  const opened = [...panel.querySelectorAll("details[open]")].map(({ id }) => id);
  const answered = card.presses.filter(({ response }) => response);
  refill(
    panel,
    element("h2", { id: "details-title", tabindex: "-1", "data-key": "title" }, texts.whatOfCard),
    closeButton(close),
    element("p", {}, element("code", { class: `state ${card.state}` }, texts.cardStates[card.state])),
    facts(card, nameOf),
    element("h3", {}, texts.presses),
    card.presses.length
      ? element("ol", { class: "timeline" }, ...card.presses.map((press) => pressed(press, nameOf)))
      : element("p", { class: "hint" }, texts.noPresses),
    raw("card-data", texts.cardData, card.data, opened),
    raw("card-private", texts.cardPrivate, { ...card.private, ...card.local }, opened),
    ...answered.map(({ response }, at) => raw(`response-${at}`, texts.response(at + 1), response, opened)),
  );
}

function facts(card, nameOf) {
  const rows = [
    ["outTrackId", card.out_track_id],
    ["cardTemplateId", card.template_id],
    [texts.shownIn, card.spaces.map(({ kind, id }) => (kind === "IM_GROUP" ? texts.group : nameOf(id))).join(" · ")],
    [texts.callbacks, card.callback || texts.nowhere],
    [texts.cardFrames, card.frames],
  ];
  const terms = rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, String(value))]);
  return element("dl", { class: "facts" }, ...terms);
}

function pressed({ staff_id: staffId, action_id: actionId, at_ms: at, status, after_ms: after, problem }, nameOf) {
  const outcome = problem || (status === null ? texts.pressing : `${status} · ${after} ms`);
  return element(
    "li",
    { class: `step ${problem ? "bad" : "good"}` },
    element("span", { class: "after" }, timeOf(at)),
    element("span", {}, `${nameOf(staffId)}: ${actionId}`),
    element("code", {}, outcome),
  );
}
