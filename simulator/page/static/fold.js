// Long texts show their beginning, and the rest on demand.

import { element } from "./dom.js";
import { texts } from "./texts.js";

/** A text that is higher is folded. What folded texts show is a little less: see messages.css. */
const LONG_PX = 400;
const TEXTS = ":scope > :is(.bubble.text, .bubble.markdown), :scope > .action-card > .markdown";

/** Most are; to measure one makes the browser lay the whole chat out. */
const isSurelyShort = ({ textContent, childElementCount }) =>
  textContent.length < 200 && textContent.split("\n").length < 8 && childElementCount < 8;

/**
 * @param {HTMLElement} message a message that is in the page.
 * @param {string} key the message's.
 * @param {Set<string>} unfolded the keys of those that stay unfolded.
 */
export function foldIfLong(message, key, unfolded) {
  const text = message.querySelector(TEXTS);
  if (!text || isSurelyShort(text) || text.scrollHeight <= LONG_PX) return;
  const button = element("button", {
    type: "button",
    class: "unfold",
    "data-key": `fold ${key}`,
    onclick: () => show(!unfolded.has(key)),
  });

  function show(isOpen) {
    if (isOpen) unfolded.add(key);
    else unfolded.delete(key);
    text.classList.toggle("folded", !isOpen);
    button.textContent = isOpen ? texts.fold : texts.unfold;
    button.setAttribute("aria-expanded", String(isOpen));
  }

  // What has the focus, such as a link, is to be seen.
  text.addEventListener("focusin", () => show(true));
  text.after(button);
  show(unfolded.has(key));
}
