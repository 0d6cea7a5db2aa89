// The editor of rich text as a client cuts it: a box for each run.

import { element, refill } from "./dom.js";
import { texts } from "./texts.js";

export class RunsEditor {
  #node;
  #page;
  #runs = [];
  #look = "";

  /**
   * @param {HTMLElement} node
   * @param {{change(runs: string[]): void, close(): void, submit(): void}} page
   */
  constructor(node, page) {
    this.#node = node;
    this.#page = page;
  }

  /** Draws the runs, and again only when the boxes don't hold them already, to keep the place of typing. */
  draw(runs, mention) {
    this.#runs = runs;
    this.#node.hidden = !runs.length;
    const shown = [...this.#node.querySelectorAll("input")].map(({ value }) => value);
    const look = JSON.stringify([texts.brand, mention]);
    if (look === this.#look && JSON.stringify(shown) === JSON.stringify(runs)) return;
    this.#look = look;
    refill(
      this.#node,
      element("p", { class: "hint" }, texts.runs.hint),
      ...runs.map((run, at) => this.#row(run, at)),
      element(
        "div",
        { class: "actions" },
        this.#button(texts.runs.mention(mention), () => this.#change([...this.#runs, mention])),
        this.#button(texts.runs.add, () => this.#change([...this.#runs, ""])),
        this.#button(texts.runs.close, () => this.#page.close()),
      ),
    );
  }

  #row(run, at) {
    const box = element("input", { "aria-label": texts.runs.run(at + 1), "data-key": `run ${at}` });
    box.value = run;
    box.addEventListener("input", () => this.#change(this.#runs.with(at, box.value)));
    box.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") {
        event.preventDefault();
        this.#page.submit();
      }
      if (event.key === "Backspace" && at > 0 && box.selectionStart === 0 && box.selectionEnd === 0) {
        event.preventDefault();
        this.#join(at);
      }
    });
    const cut = () => {
      const where = box.selectionStart;
      const [before, after] = [box.value.slice(0, where), box.value.slice(where)];
      this.#change(this.#runs.toSpliced(at, 1, before, after));
    };
    return element(
      "div",
      { class: "row" },
      box,
      this.#button("✂", cut, texts.runs.cut(at + 1)),
      this.#button("×", () => this.#change(this.#runs.toSpliced(at, 1)), texts.runs.remove(at + 1)),
    );
  }

  #join(at) {
    this.#change(this.#runs.toSpliced(at - 1, 2, this.#runs[at - 1] + this.#runs[at]));
  }

  #change(runs) {
    if (!runs.length) return this.#page.close();
    this.#page.change(runs);
  }

  #button(words, onclick, label = null) {
    return element("button", { type: "button", onclick, "aria-label": label, "data-key": label ?? words }, words);
  }
}
