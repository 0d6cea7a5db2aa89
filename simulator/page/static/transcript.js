// Keeps what was said as a file, shows or sends it again, and forgets it.

import * as api from "./api.js";
import { element } from "./dom.js";
import { texts } from "./texts.js";

/** @param {{attempt(request: Promise<unknown>): void, show(record: object, withDetails: boolean): void}} page */
export function transcriptTools({ attempt, show }) {
  const said = element("p", { class: "hint", role: "status" });
  let isSent = false;

  async function load(file) {
    const text = await file.text();
    if (!isJSON(text)) throw new Error(texts.transcript.noJSON);
    said.textContent = isSent ? texts.transcript.sending : "";
    const records = await api.loadTranscript(text, isSent);
    const count = records.filter(({ prompted }) => prompted !== false).length;
    said.textContent = (isSent ? texts.transcript.sent : texts.transcript.shown)(count);
    if (records.length) show(records[0], false);
  }

  async function clear() {
    if (!confirm(texts.transcript.sure)) return;
    const { kept } = await api.clear();
    said.textContent = kept ? texts.transcript.kept(kept) : texts.transcript.cleared;
  }

  const input = element("input", {
    type: "file",
    accept: ".json,application/json",
    hidden: true,
    onchange: ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (file) attempt(load(file).catch((error) => {
        said.textContent = "";
        throw new Error(texts.transcript.failed(error.message));
      }));
    },
  });
  const choose = (sends) => () => {
    isSent = sends;
    input.click();
  };
  const button = (words, act) => element("button", { type: "button", "data-key": words, onclick: act }, words);
  return element(
    "div",
    { class: "actions" },
    element("a", { class: "button", href: "/api/transcript", download: "transcript.json" }, texts.transcript.save),
    button(texts.transcript.load, choose(false)),
    button(texts.transcript.send, choose(true)),
    button(texts.transcript.clear, () => attempt(clear())),
    input,
    said,
  );
}

function isJSON(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
