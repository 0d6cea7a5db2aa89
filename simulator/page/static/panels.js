// The panels beside the chat. One is shown at a time; details go over another, and lead back to it.

import { byId } from "./dom.js";

export class Panels {
  /** The open panels, the shown one last, each with the key or id of what had the focus before. */
  #open = [];

  get shown() {
    return this.#open.at(-1)?.name ?? null;
  }

  /** Opens a panel; it has the focus once it is drawn and `focus` is called. */
  open(name) {
    if (this.shown === name) return;
    const below = name === "details" ? this.#open : [];
    this.#open = [...below, { name, opener: document.activeElement?.dataset?.key ?? document.activeElement?.id }];
  }

  /** Closes the shown panel. Returns what had the focus before it was opened. */
  close() {
    return this.#open.pop()?.opener;
  }

  /** Closes all of one name. */
  drop(name) {
    this.#open = this.#open.filter((panel) => panel.name !== name);
  }

  /** Shows the panel that is to be seen, and tells the buttons. */
  draw() {
    for (const panel of document.querySelectorAll(".panel")) {
      panel.hidden = panel.id !== this.shown;
      byId(`${panel.id}-button`)?.setAttribute("aria-expanded", String(!panel.hidden));
    }
  }

  focus() {
    byId(`${this.shown}-title`)?.focus();
  }
}

/** Gives the focus back to what had it, or to the message box. */
export function refocus(opener) {
  const control = opener && (byId(opener) ?? document.querySelector(`[data-key="${CSS.escape(opener)}"]`));
  (control ?? byId("text")).focus();
}
