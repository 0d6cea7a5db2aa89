// The picker of people that typing "@" opens in a group.

import { element, refill } from "./dom.js";
import { withEveryone, withMentioned } from "./draft.js";
import { personOf } from "./store.js";
import { texts } from "./texts.js";

/** The second is what input methods type for Chinese. */
const MARKS = ["@", "＠"];

/** The box keeps the focus, and what is typed on without a choice stays text. */
export class MentionPicker {
  #box;
  #list;
  #composer;
  /** Where in the box the mark and what was typed after it are; null: nothing is being picked. */
  #typed = null;
  #options = [];
  #active = 0;

  /**
   * @param {HTMLTextAreaElement} box
   * @param {HTMLElement} list
   * @param {import("./composer.js").Composer} composer
   */
  constructor(box, list, composer) {
    this.#box = box;
    this.#list = list;
    this.#composer = composer;
    box.addEventListener("input", ({ data }) => this.#follow(data));
    box.addEventListener("keydown", (event) => this.#press(event));
    box.addEventListener("blur", () => this.#close());
    // A press would take the focus from the box.
    list.addEventListener("mousedown", (event) => event.preventDefault());
  }

  #follow(data) {
    const { value, selectionStart: end } = this.#box;
    if (MARKS.includes(data) && this.#mayMention(value[end - 2])) this.#typed = { start: end - 1, end };
    if (!this.#typed) return;
    const { start } = this.#typed;
    const name = value.slice(start + 1, end);
    if (!MARKS.includes(value[start]) || end <= start || /\s/.test(name)) {
      this.#close();
      return;
    }
    this.#typed = { start, end };
    this.#options = this.#offered().filter(({ words }) => words.includes(name));
    this.#active = 0;
    this.#draw();
  }

  /** Whether a mark after `before` begins a mention, and not the host of an e-mail address. */
  #mayMention(before = "") {
    return !personOf(this.#composer.store.open) && !/\w/.test(before);
  }

  #offered() {
    return [
      ...this.#composer.store.people.map((name) => ({
        words: name,
        mention: (draft) => withMentioned(draft, name, false),
      })),
      { words: texts.everyone, mention: withEveryone },
    ];
  }

  #draw() {
    this.#list.hidden = !this.#options.length;
    this.#list.setAttribute("aria-label", texts.add.mentions);
    refill(this.#list, ...this.#options.map((option, at) => this.#item(option, at)));
    const active = this.#list.children[this.#active];
    active?.scrollIntoView({ block: "nearest" });
    if (active) this.#box.setAttribute("aria-activedescendant", active.id);
    else this.#box.removeAttribute("aria-activedescendant");
  }

  #item(option, at) {
    return element(
      "li",
      {
        role: "option",
        id: `mention-${at}`,
        "aria-selected": String(at === this.#active),
        onclick: () => this.#choose(option),
      },
      `@${option.words}`,
    );
  }

  #press(event) {
    if (this.#list.hidden || event.isComposing) return;
    const act = {
      ArrowDown: () => this.#move(1),
      ArrowUp: () => this.#move(-1),
      Enter: () => this.#choose(this.#options[this.#active]),
      Escape: () => this.#close(),
    }[event.key];
    if (!act || event.shiftKey) return;
    // The box has other uses for these keys, and Escape closes a panel.
    event.preventDefault();
    event.stopImmediatePropagation();
    act();
  }

  #move(by) {
    const count = this.#options.length;
    this.#active = (this.#active + by + count) % count;
    this.#draw();
  }

  #choose({ mention }) {
    const { start, end } = this.#typed;
    this.#box.setRangeText("", start, end, "end");
    this.#close();
    this.#composer.content = mention(this.#composer.content);
  }

  #close() {
    this.#typed = null;
    this.#options = [];
    this.#draw();
  }
}
