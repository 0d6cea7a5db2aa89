// The menu of what a message can hold besides words.

import { PRESETS } from "./composer_presets.js";
import { byId, element, refill } from "./dom.js";
import { withEveryone, withKind, withMentioned } from "./draft.js";
import { personOf } from "./store.js";
import { texts } from "./texts.js";

const CLIENTS = ["Mac", "Win", "iOS", "Android", "HarmonyOS"];
const KINDS = ["audio", "video", "markdown", "chatRecord", "interactiveCard"];

/** Opens under its button; a choice, Escape and a click elsewhere close it. */
export class AddMenu {
  #button;
  #menu;
  #composer;

  /**
   * @param {HTMLButtonElement} button
   * @param {HTMLElement} menu
   * @param {import("./composer.js").Composer} composer
   */
  constructor(button, menu, composer) {
    this.#button = button;
    this.#menu = menu;
    this.#composer = composer;
    button.addEventListener("click", () => (menu.hidden ? this.#open() : this.#close()));
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.#close();
      button.focus();
    });
    document.addEventListener("click", ({ target }) => {
      if (!menu.hidden && !menu.contains(target) && !button.contains(target)) this.#close();
    });
  }

  #open() {
    this.#show(true);
    const inGroup = !personOf(this.#composer.store.open);
    refill(
      this.#menu,
      group(
        texts.add.held,
        item(texts.add.file, () => this.#choose(() => byId("file").click())),
        ...KINDS.map((kind) => this.#kind(kind)),
        item(texts.add.runs, () => this.#choose(() => this.#composer.openRuns())),
      ),
      element("div", {}, inGroup ? this.#mentions() : null, this.#sender()),
      element(
        "details",
        {},
        element("summary", {}, texts.add.presets),
        ...PRESETS.map((preset) => this.#preset(preset)),
      ),
      element("div", {}, item(texts.add.whole, () => this.#choose(() => this.#composer.editWhole()))),
    );
    this.#menu.querySelector("button").focus();
  }

  #close() {
    this.#show(false);
  }

  #show(isShown) {
    this.#menu.hidden = !isShown;
    this.#button.setAttribute("aria-expanded", String(isShown));
  }

  #choose(act) {
    this.#close();
    act();
  }

  #kind(kind) {
    return item(texts.add.kinds[kind], () =>
      this.#choose(() => {
        this.#composer.content = withKind(this.#composer.content, kind);
      }),
    );
  }

  #mentions() {
    const composer = this.#composer;
    const name = element("input", { id: "mention-name", list: "people", "aria-label": texts.add.mentionName });
    const isHidden = element("input", { type: "checkbox" });
    const people = element(
      "datalist",
      { id: "people" },
      ...composer.store.people.map((each) => element("option", { value: each })),
    );
    const add = () => {
      if (!name.value.trim()) return name.focus();
      this.#choose(() => {
        composer.content = withMentioned(composer.content, name.value.trim(), isHidden.checked);
      });
    };
    name.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      add();
    });
    return group(
      texts.add.mentions,
      item(`@${texts.everyone}`, () =>
        this.#choose(() => {
          composer.content = withEveryone(composer.content);
        }),
      ),
      element("span", { class: "with-name" }, "@", name, people, item(texts.add.mention, add)),
      element("label", {}, isHidden, texts.add.hidden),
    );
  }

  #sender() {
    const composer = this.#composer;
    const toggle = (words, isOn, act) => item(words, () => this.#choose(act), { "aria-pressed": String(isOn) });
    const { external, client } = composer.sender;
    const { published } = composer.store;
    return group(
      texts.add.sender,
      toggle(texts.external, external, () => composer.change({ external: !external })),
      toggle(texts.unpublishedRobot, !published, () => (composer.published = !published)),
      element(
        "label",
        {},
        texts.add.client,
        " ",
        element(
          "select",
          { id: "client", onchange: ({ target }) => composer.change({ client: target.value }) },
          ...CLIENTS.map((each) => element("option", { selected: each === client }, each)),
        ),
      ),
    );
  }

  #preset({ name, message, body }) {
    const composer = this.#composer;
    return item(body ? `${texts.presets[name]}…` : texts.presets[name], () =>
      this.#choose(() =>
        message ? composer.edit(message(composer.botName)) : composer.editWhole(body),
      ),
    );
  }
}

const item = (words, onclick, properties = {}) => element("button", { type: "button", onclick, ...properties }, words);

function group(name, ...items) {
  return element("div", { role: "group", "aria-label": name }, element("p", { class: "hint" }, name), ...items);
}
