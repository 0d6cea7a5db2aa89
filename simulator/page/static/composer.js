// The message box: the sender, what a message holds besides words, and the words.

import { AddMenu } from "./composer_menu.js";
import { chipsOf, drawChips } from "./composer_chips.js";
import { RawEditor } from "./composer_raw.js";
import { RunsEditor } from "./composer_runs.js";
import { byId, element, refill } from "./dom.js";
import * as drafts from "./draft.js";
import { MentionPicker } from "./mention_picker.js";
import { groupOf, personOf, robotOf, singleWith } from "./store.js";

/** From a group, DingTalk does not hand these to robots. */
const SINGLE_ONLY = ["audio", "file", "video"];

export class Composer {
  #page;
  #content = drafts.EMPTY;
  #sender = drafts.USUAL_SENDER;
  #menu;
  #raw;
  #runs;

  /**
   * @param {import("./store.js").Store} store
   * @param {{say(message: object, file?: File): void, sendBody(body: string, isVerbatim: boolean): Promise<unknown>,
   *   preview(message: object): Promise<object>, attempt(request: Promise<unknown>): void, redraw(): void,
   *   enter(conversation: string): void}} page
   *   sends a message, with a file that it holds; sends a callback's body; tells the body that a message would be
   *   sent as; shows a request's error; draws all; opens a conversation.
   */
  constructor(store, page) {
    this.store = store;
    this.#page = page;
    this.#raw = new RawEditor(byId("raw-editor"), page);
    this.#runs = new RunsEditor(byId("runs"), {
      change: (runs) => {
        this.#content = drafts.withRuns(this.#content, runs);
        this.draw();
      },
      close: () => this.#closeRuns(),
      submit: () => this.#submit(),
    });
    this.#menu = new AddMenu(byId("add"), byId("add-menu"), this);
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    // Before the listeners below: the keys are the picker's while it is open.
    new MentionPicker(byId("text"), byId("mention-list"), this);
    byId("text").addEventListener("keydown", (event) => {
      // While an input method composes, Enter takes its suggestion.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    byId("speaker").addEventListener("change", ({ target }) => {
      store.speaker = target.value;
      page.redraw();
    });
    byId("robot").addEventListener("change", ({ target }) => this.#chooseRobot(target.value));
    byId("mention").addEventListener("click", () => {
      this.change({ mention: !this.#sender.mention });
      byId("text").focus();
    });
    byId("file").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (file) this.#set(drafts.withFile(this.#content, file));
    });
  }

  draw() {
    const { store } = this;
    const inGroup = !personOf(store.open);
    this.#drawPeople();
    this.#drawRobots();
    byId("speaker-label").hidden = !inGroup;
    byId("mention").hidden = !inGroup;
    byId("mention").textContent = `@${this.botName}`;
    byId("mention").setAttribute("aria-pressed", String(this.#sender.mention));
    byId("mention-hint").hidden = !inGroup || this.#sender.mention;
    byId("single-only").hidden = !inGroup || !SINGLE_ONLY.includes(this.#content.kind);
    drawChips(byId("chips"), chipsOf(this));
    this.#runs.draw(this.#content.runs, `@${this.botName}`);
    byId("text").hidden = this.#content.runs.length > 0;
  }

  /** Sends a text at once, in the open conversation. */
  say(text) {
    this.#page.say(this.#message(drafts.EMPTY, text));
  }

  /** Puts the beginning of a text into the box. */
  write(text) {
    byId("text").value = text;
    byId("text").focus();
  }

  /** Puts a message into the box, to be changed and sent in the open conversation. */
  edit(message) {
    const { content, sender, words } = drafts.draftOf(message);
    this.#sender = sender;
    this.store.published = message.published ?? true;
    if (message.sender && !message.single) this.#letSpeak(message.sender);
    if (!message.single) this.store.robot = message.robot ?? this.store.robot;
    byId("text").value = words;
    this.#set(content);
  }

  /** Opens the editor of a whole callback's body. */
  editRaw(body, isVerbatim = false) {
    this.#raw.open(body, isVerbatim);
  }

  /** Opens it with the callback that the message in the box would be sent as, or with what `change` makes of that. */
  editWhole(change = (body) => body) {
    const message = this.#message(this.#content, byId("text").value.trim());
    this.#page.attempt(this.#page.preview(message).then((body) => this.editRaw(change(body))));
  }

  /** Answers to a message: `quoted` is a Quotation. */
  quote(quoted) {
    this.#set({ ...this.#content, quoted });
  }

  /** Changes what the message holds. */
  set content(content) {
    this.#set(content);
  }

  get content() {
    return this.#content;
  }

  get sender() {
    return this.#sender;
  }

  /** Changes what is the sender's, such as the client. */
  change(sender) {
    this.#sender = { ...this.#sender, ...sender };
    this.draw();
  }

  set published(isPublished) {
    this.store.published = isPublished;
    this.#page.redraw();
  }

  /** The robot that the next message is sent to. */
  get botName() {
    return this.store.nameOfRobot(this.#robot);
  }

  /** Cuts the typed words into the runs of a rich text. */
  openRuns() {
    const words = byId("text").value;
    byId("text").value = "";
    const mention = this.#sender.mention && !personOf(this.store.open) ? [`@${this.botName}`] : [];
    this.#set(drafts.withRuns(this.#content, [...mention, words]));
  }

  get #robot() {
    const { open, robot } = this.store;
    return personOf(open) ? robotOf(open) : robot;
  }

  #set(content) {
    this.#content = content;
    this.draw();
    (content.runs.length ? [...byId("runs").querySelectorAll("input")].at(-1) : byId("text")).focus();
  }

  #letSpeak(name) {
    const { store } = this;
    if (!store.people.includes(name)) store.people.push(name);
    store.speaker = name;
  }

  #closeRuns() {
    byId("text").value = this.#content.runs.filter((run) => run !== `@${this.botName}`).join("");
    this.#set(drafts.withoutRuns(this.#content));
  }

  #message(content, words) {
    const { open, speaker, published } = this.store;
    const person = personOf(open);
    return {
      ...drafts.contentOf(content, words),
      ...(person ? { mentioned: [], at_all: false } : {}),
      ...this.#sender,
      sender: person ?? speaker,
      single: person !== null,
      group: groupOf(open),
      robot: this.#robot,
      published,
    };
  }

  #submit() {
    const words = byId("text").value.trim();
    if (!words && !drafts.hasContent(this.#content)) return;
    const content = this.#content;
    this.#page.say(this.#message(content, words), content.upload ?? undefined);
    if (drafts.takesWords(content)) byId("text").value = "";
    this.#set(drafts.EMPTY);
  }

  #chooseRobot(robot) {
    const person = personOf(this.store.open);
    this.store.robot = robot;
    if (person) this.#page.enter(singleWith(person, robot));
    else this.#page.redraw();
  }

  /** Keeps the list while it is complete: the user may be choosing from it. */
  #drawPeople() {
    const { people, speaker } = this.store;
    if (byId("speaker").length !== people.length) {
      refill(byId("speaker"), ...people.map((name) => element("option", {}, name)));
    }
    byId("speaker").value = speaker;
  }

  #drawRobots() {
    const { robots } = this.store;
    byId("robot-label").hidden = robots.length < 2;
    if (byId("robot").length !== robots.length) {
      const option = (name, at) => element("option", { value: at ? name : "" }, name);
      refill(byId("robot"), ...robots.map(option));
    }
    byId("robot").value = this.#robot;
  }
}
