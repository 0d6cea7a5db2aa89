// The editor of a whole callback's body, which is signed and sent: captured, made up, or broken on purpose.

import { byId, element, refill } from "./dom.js";
import { texts } from "./texts.js";

/** What the simulator makes fresh, so that each sending is a message with a session of its own. */
const FRESH = ["msgId", "createAt", "sessionWebhook", "sessionWebhookExpiredTime"];

/** What a body is: words on it, and whether it is a JSON object. */
function check(body) {
  try {
    const callback = JSON.parse(body);
    if (typeof callback !== "object" || callback === null || Array.isArray(callback)) {
      return { isObject: false, words: texts.raw.noObject };
    }
    return { isObject: true, words: texts.raw.object(String(callback.msgtype ?? ""), FRESH.join(", ")) };
  } catch (error) {
    return { isObject: false, words: texts.raw.noJSON(error.message) };
  }
}

/** The text of a body that a record keeps in base64, with the letters that URLs allow. */
export function textOf(base64) {
  const bytes = atob(base64.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
}

export class RawEditor {
  #dialog;
  #page;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {{sendBody(body: string, isVerbatim: boolean): Promise<unknown>}} page
   */
  constructor(dialog, page) {
    this.#dialog = dialog;
    this.#page = page;
    // Escape closes the dialog alone, and not the panel behind it.
    dialog.addEventListener("keydown", (event) => event.key === "Escape" && event.stopPropagation());
    dialog.addEventListener("close", () => byId("text").focus());
  }

  /**
   * @param {string | object} body what to begin with.
   * @param {boolean} asItIs whether it is to be sent byte for byte.
   */
  open(body, asItIs) {
    const text = typeof body === "string" ? body : JSON.stringify(body, null, 2);
    const box = element("textarea", { id: "raw-body", rows: "18", spellcheck: "false", "aria-label": texts.raw.body });
    box.value = text;
    const verdict = element("p", { class: "hint", role: "status" });
    const problem = element("p", { class: "problem", role: "alert" });
    const isVerbatim = element("input", { type: "checkbox", checked: asItIs });
    const judge = () => {
      const { isObject, words } = check(box.value);
      verdict.textContent = isObject && isVerbatim.checked ? texts.raw.asItIs : words;
      format.disabled = !isObject;
    };
    const format = element("button", { type: "button" }, texts.raw.format);
    format.addEventListener("click", () => {
      box.value = JSON.stringify(JSON.parse(box.value), null, 2);
    });
    box.addEventListener("input", judge);
    isVerbatim.addEventListener("change", judge);
    const close = () => this.#dialog.close();
    const send = async () => {
      try {
        await this.#page.sendBody(box.value, isVerbatim.checked);
        close();
      } catch (error) {
        problem.textContent = error.message;
      }
    };
    refill(
      this.#dialog,
      element("h2", { id: "raw-title" }, texts.raw.title),
      element("p", { class: "hint" }, texts.raw.hint),
      box,
      verdict,
      element("label", {}, isVerbatim, " ", texts.raw.verbatim),
      problem,
      element(
        "div",
        { class: "actions" },
        element("button", { type: "button", class: "primary", onclick: send }, texts.raw.send),
        format,
        element("button", { type: "button", onclick: close }, texts.close),
      ),
    );
    judge();
    if (!this.#dialog.open) this.#dialog.showModal();
    box.focus();
  }
}
