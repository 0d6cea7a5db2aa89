// What can be said to the robot that is chosen, by the skills that a worker has loaded.

import { element, refill } from "./dom.js";
import { texts } from "./texts.js";

/** What every bot knows; more is offered once a worker has told its skills. */
const ALWAYS = [{ text: "帮助", usage: "帮助", complete: true }];

export class Suggestions {
  #node;
  #composer;
  #drawnFrom = [];

  /**
   * @param {HTMLElement} node
   * @param {{say(text: string): void, write(text: string): void, botName: string}} composer says a text at once,
   *   or puts it into the box to be completed; the robot that it is said to.
   */
  constructor(node, composer) {
    this.#node = node;
    this.#composer = composer;
  }

  /** @param {import("./store.js").Store} store its skills are [] until they are known. */
  draw({ skills, robots }) {
    const robot = robots.length > 1 ? this.#composer.botName : null;
    const from = [skills, robot, texts];
    if (from.every((each, at) => each === this.#drawnFrom[at])) return;
    this.#drawnFrom = from;
    const its = skills.filter((skill) => robot === null || skill.robots.includes(robot));
    const commands = its.flatMap(({ summary, commands }) => commands.map((each) => ({ ...each, summary })));
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
