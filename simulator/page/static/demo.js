// The demo's strip: what became of all messages, and buttons that kill and stop what answers them.

import { killGateway, killWorker, sendMany, stopRedis } from "./demo_effects.js";
import { byId, element, refill } from "./dom.js";
import { isStream } from "./stream.js";
import { texts } from "./texts.js";

const ALWAYS = ["accepted", "answered", "twice", "lost", "open"];
const WHERE_THERE_ARE_ANY = ["silent", "dead", "turned_away"];
/** More than none of these is bad news. */
const BAD = ["twice", "lost"];
const SENT = 200;
const STOPPED_S = 5;

/** The strip; in another simulator than the demo's it stays hidden. */
export class DemoStrip {
  /** Tells what came of the button that was pressed last; null until then. */
  #tell = null;
  #tick = null;

  /** @param {{attempt(request: Promise<unknown>): void}} page */
  constructor(page) {
    this.page = page;
  }

  /** @param {import("./store.js").Store} store */
  draw(store) {
    byId("demo").hidden = !store.demo;
    if (!store.demo) return;
    refill(byId("demo-numbers"), ...numbers(store.demo));
    drawCounted(byId("demo-counted"));
    refill(byId("demo-buttons"), ...this.#buttons(store));
    const { effect, wait } = this.#tell ? this.#tell(store) : { effect: texts.strip.hint, wait: "" };
    say(byId("demo-effect"), effect);
    say(byId("demo-wait"), wait);
    clearTimeout(this.#tick);
    if (wait) this.#tick = setTimeout(() => this.draw(store), 1000);
  }

  #buttons(store) {
    const kill = isStream(store) ? texts.strip.killStream : texts.strip.killGateway;
    return [
      this.#button(store, "killWorker", texts.strip.killWorker, killWorker),
      this.#button(store, "killGateway", kill, killGateway),
      this.#button(store, "stopRedis", texts.strip.stopRedis(STOPPED_S), (store) => stopRedis(store, STOPPED_S)),
      this.#button(store, "send", texts.strip.send(SENT), (store) => sendMany(store, SENT)),
    ];
  }

  #button(store, key, words, act) {
    const press = async () => {
      this.#tell = await act(store);
      this.draw(store);
    };
    return element("button", { type: "button", "data-key": key, onclick: () => this.page.attempt(press()) }, words);
  }
}

/** Lets a screen reader say it, but only when it has changed. */
function say(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

function numbers({ numbers: counts, processes }) {
  const running = processes.filter(({ state }) => state === "running").length;
  const live = `${running}/${processes.length}`;
  return [
    ...ALWAYS.map((name) => number(name, counts[name], BAD.includes(name) && counts[name] > 0)),
    ...WHERE_THERE_ARE_ANY.filter((name) => counts[name]).map((name) => number(name, counts[name])),
    number("live", live, running < processes.length),
  ];
}

function number(name, value, isBad = false) {
  const { what, counted: how } = texts.strip.numbers[name];
  return element(
    "div",
    { class: isBad ? "bad" : null, title: how, "data-number": name },
    element("dt", {}, what),
    element("dd", {}, String(value)),
  );
}

/** What each number counts; the same as its tooltip, for those who have no mouse. */
function drawCounted(details) {
  const { counted, numbers } = texts.strip;
  if (details.dataset.words === counted) return;
  details.dataset.words = counted;
  const rows = Object.values(numbers).flatMap(({ what, counted: how }) => [
    element("dt", {}, what),
    element("dd", {}, how),
  ]);
  details.replaceChildren(element("summary", {}, counted), element("dl", { tabindex: "0" }, ...rows));
}
