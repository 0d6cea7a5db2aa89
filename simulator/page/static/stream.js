// Stream mode: its name in the page's head, its connections, and the switches of its faults.

import * as api from "./api.js";
import { element } from "./dom.js";
import { texts } from "./texts.js";

const REASONS = ["connection is expired", "persistent connection is timeout"];
/** The values of the faults of connections when they are on and off. */
const SWITCHES = {
  zombie: [true, false],
  lost_acks: [1, 0],
  ignores_closes: [true, false],
  stale: [30, 0],
};
const REFUSALS = ["unauthorized", "bad_request", "quota", "unavailable", "html"];

export const isStream = ({ mode }) => mode === "stream";

/** Draws the mode, and in Stream mode how many connections are open; it is read out when it changes. */
export function drawMode(node, store) {
  const words = store.stream ? wordsFor(store.stream) : "";
  if (node.textContent !== words) node.textContent = words;
  node.classList.toggle("bad", isStream(store) && !store.stream.connections.length);
}

const wordsFor = ({ mode, connections }) =>
  mode === "stream" ? `${texts.modes.stream} · ${texts.connections(connections.length)}` : texts.modes.http;

/** What the panel of faults has in Stream mode alone. */
export const streamParts = (store, page) =>
  isStream(store)
    ? [connections(store), commands(page), switches(store, page), refusals(store, page)]
    : [];

/** The faults of Stream mode that are on, in words. */
export function streamFaultsOn({ streamFaults: faults }) {
  const on = Object.keys(SWITCHES).filter((name) => faults[name]);
  return [...on, faults.open].filter(Boolean).map((name) => texts.streamFaults[name].what);
}

function connections({ stream }) {
  const items = stream.connections.map(({ id, since_ms: since, pushed, acked, state }) =>
    element(
      "li",
      { class: state === "open" ? "" : "bad" },
      element("code", {}, id.slice(0, 8)),
      ` ${texts.connectionStates[state]} · ${texts.openSince(timeOf(since))} · ${texts.frames(pushed, acked)}`,
    ),
  );
  return element(
    "section",
    { class: "connections" },
    element("h3", {}, texts.connections(items.length)),
    items.length ? element("ul", {}, ...items) : element("p", { class: "bad" }, texts.howToConnect),
    hint(texts.pushedAgain(stream.redelivered, stream.lost)),
  );
}

const timeOf = (ms) => new Date(ms).toLocaleTimeString("zh-CN", { hour12: false });

function commands({ attempt }) {
  const button = (words, act) =>
    element("button", { type: "button", "data-key": words, onclick: () => attempt(act()) }, words);
  return element(
    "fieldset",
    {},
    element("legend", {}, texts.toConnections),
    ...REASONS.map((reason) => button(texts.disconnect(reason), () => api.disconnect(reason))),
    hint(texts.disconnectHint),
    button(texts.cut, api.cut),
    hint(texts.cutHint),
  );
}

function switches(store, { attempt }) {
  const options = Object.entries(SWITCHES).map(([name, [on, off]]) =>
    option(name, {
      type: "checkbox",
      name,
      checked: Boolean(store.streamFaults[name]),
      onchange: ({ target }) =>
        attempt(api.setStreamFaults({ ...store.streamFaults, [name]: target.checked ? on : off })),
    }),
  );
  return element("fieldset", {}, element("legend", {}, texts.ofConnections), ...options);
}

function refusals(store, { attempt }) {
  const options = [null, ...REFUSALS].map((fault) =>
    option(fault ?? "none", {
      type: "radio",
      name: "open",
      value: fault ?? "none",
      checked: store.streamFaults.open === fault,
      onchange: () => attempt(api.setStreamFaults({ ...store.streamFaults, open: fault })),
    }),
  );
  return element("fieldset", {}, element("legend", {}, texts.whenOpening), ...options);
}

/** A switch, with a line on what it does and what the bot should do. */
function option(name, properties) {
  const { what, then } = texts.streamFaults[name];
  const id = `stream-${name}`;
  const described = { "data-key": id, "aria-describedby": then ? id : null };
  const label = element("label", {}, element("input", { ...properties, ...described }), what);
  return element("div", {}, label, then ? hint(then, id) : null);
}

const hint = (words, id = null) => element("p", { id, class: "hint" }, words);
