// The message box: the sender, the mention, the text.

import { byId, element, refill } from "./dom.js";
import { groupOf, personOf, robotOf } from "./store.js";

const EXAMPLES = [
  ...["text", "markdown", "整体跳转", "独立跳转", "feed"],
  ...["下午茶", "报销 120", "讲故事", "画图", "帮助"],
];

const PICTURE = /\.(png|jpe?g|gif|bmp|webp)$/i;

export class Composer {
  #say;
  #mentions = true;

  /** @param {(message: object, file?: File) => void} say sends a message, with a file that it holds. */
  constructor(store, say, redraw) {
    this.store = store;
    this.#say = say;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    byId("text").addEventListener("keydown", (event) => {
      // While an input method composes, Enter takes its suggestion.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    byId("speaker").addEventListener("change", ({ target }) => {
      store.speaker = target.value;
      redraw();
    });
    byId("mention").addEventListener("click", () => {
      this.#mentions = !this.#mentions;
      this.draw();
      byId("text").focus();
    });
    byId("attach").addEventListener("click", () => byId("file").click());
    byId("file").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (file) this.#send(file);
    });
    refill(byId("suggestions"), ...EXAMPLES.map((example) => this.#example(example)));
  }

  draw() {
    const { store } = this;
    const inGroup = !personOf(store.open);
    this.#drawPeople();
    byId("speaker-label").hidden = !inGroup;
    byId("mention").hidden = !inGroup;
    // From a group DingTalk hands robots pictures alone.
    byId("file").accept = inGroup ? "image/*" : "";
    byId("mention").setAttribute("aria-pressed", String(this.#mentions));
    byId("mention-hint").hidden = !inGroup || this.#mentions;
  }

  /** Keeps the list while it is complete: the user may be choosing from it. */
  #drawPeople() {
    const { people, speaker } = this.store;
    if (byId("speaker").length !== people.length) {
      refill(byId("speaker"), ...people.map((name) => element("option", {}, name)));
    }
    byId("speaker").value = speaker;
  }

  /** Sends a text at once, in the open conversation. */
  say(text) {
    this.#say({ ...this.#speaker(), text });
  }

  /** Sends a file at once; to a picture the words that are typed belong as well, as rich text. */
  #send(file) {
    const text = byId("text").value.trim();
    const isPicture = PICTURE.test(file.name);
    const message = !isPicture
      ? { kind: "file", text: file.name }
      : text
        ? { kind: "richText", text, pictures: 1 }
        : { kind: "picture", text };
    if (isPicture) byId("text").value = "";
    this.#say({ ...this.#speaker(), ...message }, file);
  }

  #speaker() {
    const person = personOf(this.store.open);
    return {
      sender: person ?? this.store.speaker,
      single: person !== null,
      group: groupOf(this.store.open),
      robot: person ? robotOf(this.store.open) : this.store.robot,
      published: this.store.published,
      mention: this.#mentions,
    };
  }

  #submit() {
    const text = byId("text").value.trim();
    if (!text) return;
    byId("text").value = "";
    this.say(text);
  }

  #example(text) {
    return element("button", { type: "button", onclick: () => this.say(text) }, text);
  }
}
