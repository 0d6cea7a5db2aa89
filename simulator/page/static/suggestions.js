// What can be said, by the skills that a worker has loaded.

import { element, refill } from "./dom.js";
import { texts } from "./texts.js";

/** What every bot knows; more is offered once a worker has told its skills. */
const ALWAYS = [{ text: "帮助", usage: "帮助", complete: true }];

export class Suggestions {
  #node;
  #composer;
  #drawn = null;

  /**
   * @param {HTMLElement} node
   * @param {{say(text: string): void, write(text: string): void}} composer says a text at once, or puts
   *   it into the box to be completed.
   */
  constructor(node, composer) {
    this.#node = node;
    this.#composer = composer;
  }

  /** @param {object[]} skills those of the API; [] until they are known. */
  draw(skills) {
    if (this.#drawn?.skills === skills && this.#drawn.texts === texts) return;
    this.#drawn = { skills, texts };
    const commands = skills.flatMap(({ summary, commands }) => commands.map((each) => ({ ...each, summary })));
    const known = new Map(commands.map((command) => [command.usage, command]));
    refill(this.#node, ...(known.size ? [...known.values()] : ALWAYS).map((command) => this.#chip(command)));
  }

  #chip({ text, usage, complete, summary }) {
    return element(
      "button",
      {
        type: "button",
        "data-key": `say ${usage}`,
        title: complete ? summary : texts.toComplete(summary ?? ""),
        onclick: () => (complete ? this.#composer.say(text) : this.#composer.write(`${text} `)),
      },
      usage,
    );
  }
}
