// Small elements that several parts of the page show.

import { element } from "./dom.js";
import { language, texts } from "./texts.js";

/** A round picture of a name: its last two letters, as DingTalk draws them. */
export function avatar(name, kind = "person") {
  return element("span", { class: `avatar ${kind}`, "aria-hidden": "true" }, name.slice(-2));
}

/** The time of day of a moment, with the date for the pointer. */
export function timeOf(at_ms) {
  const at = new Date(at_ms);
  return element(
    "time",
    { datetime: at.toISOString(), title: at.toLocaleString(language) },
    at.toLocaleTimeString("zh-CN", { hour12: false }),
  );
}

/** The line above a message: its sender's name, and when it came. */
export const byline = (at_ms, ...name) =>
  element("div", { class: "byline" }, element("p", { class: "name" }, ...name), timeOf(at_ms));

/** The bot's. */
export const bylineOfBot = (at_ms, bot = texts.bot) => byline(at_ms, bot, " ", element("small", {}, texts.robot));

export const closeButton = (close) =>
  element(
    "button",
    { type: "button", class: "close", "data-key": "close", "aria-label": texts.close, onclick: close },
    "×",
  );

export const mention = (name) => element("span", { class: "mention" }, `@${name}`);

/** JSON to be read when it is unfolded; `opened` are the ids of those that were. */
export function raw(id, title, json, opened) {
  return element(
    "details",
    { id, open: opened.includes(id) },
    element("summary", { "data-key": id }, title),
    element("pre", { tabindex: "0" }, JSON.stringify(json, null, 2)),
  );
}
