// The sign that the bot is at work, as long as it is.

import { element } from "./dom.js";
import { stateName } from "./states.js";
import { texts } from "./texts.js";

/**
 * @param {HTMLElement} sign
 * @param {{state: string, since_ms: number, count: number}} item the state of the oldest message that waits,
 *   since when it does, and how many there are.
 */
export function drawWaiting(sign, { state, since_ms: since, count }) {
  const words = count === 1 ? stateName(state) : texts.waiting(count);
  const seconds = Math.max(0, Math.floor((Date.now() - since) / 1000));
  sign.dataset.state = state;
  if (!sign.childElementCount) sign.append(dots(), element("span", {}));
  sign.lastElementChild.textContent = `${words} · ${texts.seconds(seconds)}`;
}

const dots = () =>
  element("span", { class: "dots", "aria-hidden": "true" }, ...Array.from({ length: 3 }, () => element("i", {})));
