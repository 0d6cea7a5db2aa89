// The panel with all messages of all conversations: to be filtered, opened, kept as a transcript, and forgotten.

import { element } from "./dom.js";
import { choices, NO_FILTER, passes, skillOf } from "./filter.js";
import { stateName, stateOf } from "./states.js";
import { conversationOf, titleOf, wordsOf } from "./store.js";
import { texts } from "./texts.js";
import { transcriptTools } from "./transcript.js";
import { closeButton, timeOf } from "./widgets.js";

/** More are not drawn; the newest are. */
const MOST_ROWS = 200;

export class MessageList {
  #panel;
  #page;
  #filter = { ...NO_FILTER };
  #texts = null;
  /** The rows by msgId, each with the record that it shows. */
  #rows = new Map();
  #list;
  #count;
  #selects;

  /**
   * @param {HTMLElement} panel
   * @param {{close(): void, attempt(request: Promise<unknown>): void, show(record: object): void,
   *   redraw(): void}} page
   */
  constructor(panel, page) {
    this.#panel = panel;
    this.#page = page;
  }

  draw(store) {
    if (this.#texts !== texts) this.#build();
    const records = [...store.records.values()].filter((record) => !record.card && record.prompted !== false);
    this.#drawChoices(choices(records));
    const found = records.filter((record) => passes(record, this.#filter)).sort(byTime);
    this.#count.textContent = texts.found(found.length, records.length);
    const rows = found.slice(0, MOST_ROWS).map((record) => this.#row(record));
    this.#rows = new Map(rows.map((row) => [row.record.msg_id, row]));
    const nodes = rows.map(({ node }) => node);
    const isSame = nodes.length === this.#list.children.length && nodes.every((node, at) => node === this.#list.children[at]);
    if (!isSame) this.#list.replaceChildren(...nodes);
  }

  /** Builds what stays while the list changes, so that nothing is taken from under somebody who types. */
  #build() {
    this.#texts = texts;
    this.#rows.clear();
    this.#count = element("p", { class: "hint", role: "status" });
    this.#list = element("ol", { class: "messages" });
    this.#selects = Object.fromEntries(["state", "skill", "sender"].map((name) => [name, this.#select(name)]));
    this.#panel.replaceChildren(
      element("h2", { id: "messages-title", tabindex: "-1", "data-key": "title" }, texts.messages),
      closeButton(this.#page.close),
      transcriptTools(this.#page),
      element("form", { class: "filter", role: "search", onsubmit: (event) => event.preventDefault() },
        ...Object.values(this.#selects),
        element("input", {
          type: "search",
          "aria-label": texts.filter.text,
          placeholder: texts.filter.text,
          value: this.#filter.text,
          oninput: ({ target }) => this.#choose("text", target.value),
          // Escape empties the box, and closes the panel only from an empty one.
          onkeydown: (event) => event.key === "Escape" && event.target.value && event.stopPropagation(),
        }),
      ),
      this.#count,
      this.#list,
    );
  }

  #select(name) {
    return element("select", {
      "aria-label": texts.filter[name],
      onchange: ({ target }) => this.#choose(name, target.value),
    });
  }

  #choose(name, value) {
    this.#filter[name] = value;
    this.#page.redraw();
  }

  /** Keeps a list while it is complete: somebody may be choosing from it. */
  #drawChoices(all) {
    for (const [name, select] of Object.entries(this.#selects)) {
      const chosen = this.#filter[name];
      const values = ["", ...new Set([...all[name], chosen].filter(Boolean))];
      if (values.join("\n") === [...select.options].map(({ value }) => value).join("\n")) continue;
      const label = (value) => (name === "state" ? stateName(value) : value);
      const option = (value) => element("option", { value }, value ? label(value) : texts.filter[name]);
      select.replaceChildren(...values.map(option));
      select.value = chosen;
    }
  }

  #row(record) {
    const before = this.#rows.get(record.msg_id);
    return before?.record === record ? before : { record, node: this.#draw(record) };
  }

  #draw(record) {
    const state = stateOf(record);
    const about = [titleOf(conversationOf(record)), skillOf(record), took(record)].filter(Boolean).join(" · ");
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", "data-key": `row ${record.msg_id}`, onclick: () => this.#page.show(record) },
        element("span", { class: "name" }, record.said.sender),
        timeOf(record.sent_at_ms),
        element("span", { class: `state ${state.split(" ")[0].toLowerCase()}` }, stateName(state)),
        element("span", { class: "words" }, wordsOf(record.said)),
        element("span", { class: "about" }, about),
      ),
    );
  }
}

const byTime = (a, b) => b.sent_at_ms - a.sent_at_ms;

/** From the message to its end, by the ledger; "" until then. */
function took({ sent_at_ms: sent, stories }) {
  const ended = stories.at(-1)?.ended_ms;
  return ended ? `${ended - sent} ms` : "";
}
