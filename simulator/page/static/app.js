// The page: it follows the server, and draws what has changed.

import * as api from "./api.js";
import { addressOf, readAddress } from "./address.js";
import { drawBadDay, drawBanner } from "./bad_day.js";
import { Chat } from "./chat.js";
import { DIVIDER } from "./chat_items.js";
import { Composer } from "./composer.js";
import { textOf } from "./composer_raw.js";
import { drawConversations } from "./conversations.js";
import { Details } from "./details.js";
import { DemoStrip } from "./demo.js";
import { byId } from "./dom.js";
import { offerNewChat } from "./new_chat.js";
import { drawUsage } from "./openapi.js";
import { MessageList } from "./message_list.js";
import { Panels, refocus } from "./panels.js";
import { recallWithArrows } from "./recall.js";
import { conversationOf, GROUP, isConversation, Store, titleOf } from "./store.js";
import { drawMode } from "./stream.js";
import { Suggestions } from "./suggestions.js";
import { switchLanguage, texts, writeTexts } from "./texts.js";

const FRAME_MS = 16;

const store = new Store(GROUP);
const panels = new Panels();
const page = {
  attempt,
  redraw,
  edit,
  show,
  close: closePanel,
  nameOf: (staffId) => store.names.get(staffId) ?? staffId,
};
const chat = new Chat(byId("log"), byId("to-newest"), { choose, press, quote: (quoted) => composer.quote(quoted) });
const details = new Details(byId("details"), page);
const composer = new Composer(store, {
  say,
  sendBody,
  preview: api.preview,
  attempt,
  redraw,
  enter: (conversation) => go(conversation),
});
const strip = new DemoStrip(page);
const suggestions = new Suggestions(byId("suggestions"), composer);
const messages = new MessageList(byId("messages"), page);

let isUpToDate = false;
let isUp = true;

function redraw() {
  drawConversations(byId("conversations"), store, (conversation) => go(conversation));
  byId("title").textContent = titleOf(store.open);
  drawBanner(byId("banner"), store, page);
  chat.draw(store);
  correctAddress();
  composer.draw();
  suggestions.draw(store);
  drawPanel();
  drawMode(byId("mode"), store);
  drawUsage(byId("usage"), store);
  document.title = titleOfPage(store.unreadCount());
  strip.draw(store);
  byId("line").textContent = isUp ? "" : texts.lineDown;
}

const titleOfPage = (unread) => `${unread ? `(${unread}) ` : ""}${texts.brand} · ${texts.simulated}`;

function drawPanel() {
  panels.draw();
  const subject = chosen();
  byId("details").hidden ||= !subject;
  if (panels.shown === "details" && subject) details.draw(subject);
  if (panels.shown === "messages") messages.draw(store);
  if (panels.shown === "bad-day") drawBadDay(byId("bad-day"), store, page);
}

/** The message or card whose details are open. */
const chosen = () => store.records.get(store.selected) ?? store.cards.get(store.selected);

/** Goes to the conversation that the chosen message is in, and leaves one that the server does not know. */
function correctAddress() {
  if (!isUpToDate || store.selected === null) return;
  const record = store.records.get(store.selected);
  if (record && conversationOf(record) !== store.open) {
    go(conversationOf(record), record.msg_id, "replaceState");
  } else if (!chosen()) {
    byId("problem").textContent = texts.forgotten;
    go(store.open, null, "replaceState");
  }
}

function openPanel(name) {
  panels.open(name);
  redraw();
  panels.focus();
}

function togglePanel(name) {
  const isOpen = panels.shown === name;
  if (store.selected !== null) go(store.open);
  if (isOpen) closePanel();
  else openPanel(name);
}

function closePanel() {
  if (!panels.shown) return;
  const opener = panels.close();
  if (store.selected === null) redraw();
  else go(store.open);
  refocus(opener);
}

/** Goes to a conversation, and there to a message or card, whose details open. */
function go(conversation, id = null, how = "pushState") {
  const address = addressOf(conversation, id);
  if (address !== location.hash) history[how](null, "", address);
  arrive();
}

/** Shows what the address names. */
function arrive() {
  const { conversation, id } = readAddress(location.hash);
  const known = isConversation(conversation) ? conversation : GROUP;
  const isOther = known !== store.open;
  store.enter(known);
  chat.toEnd ||= isOther;
  chat.reveal(id ?? (isOther && store.newSince !== null ? DIVIDER : null));
  store.selected = id;
  if (id === null) panels.drop("details");
  else panels.open("details");
  redraw();
}

/** Opens the details of a message, or of a card, of the open conversation. */
function choose(id) {
  go(store.open, id);
  panels.focus();
}

/** Opens a message in its conversation, with its details or without. */
function show(record, withDetails = true) {
  go(conversationOf(record), withDetails ? record.msg_id : null);
  if (withDetails) panels.focus();
}

/** Puts a message back into the box, to be changed and sent again. */
function edit({ raw, verbatim, callback, said }) {
  if (!raw) composer.edit(said);
  else if (verbatim === null) composer.editRaw(callback);
  else composer.editRaw(textOf(verbatim), true);
}

/** Presses a card's button as the person who looks at it. */
function press(card, button) {
  attempt(api.press(card, store.viewer, button));
}

function say(message, file) {
  chat.toEnd = true;
  attempt(file ? api.giveFile(file).then((id) => api.say({ ...message, file: id })) : api.say(message));
}

function sendBody(body, isVerbatim) {
  chat.toEnd = true;
  return api.sendBody(body, isVerbatim);
}

/** Waits for a request to the server, and shows its error. */
async function attempt(request) {
  try {
    await request;
    byId("problem").textContent = "";
  } catch (error) {
    byId("problem").textContent = error.message;
  }
}

let drawing = null;

/**
 * Draws once for all changes that come together. By a timer: a page that nobody sees has no frames, but its
 * title counts what is new; and one that is being closed draws no more.
 */
function redrawSoon() {
  drawing ??= setTimeout(() => {
    drawing = null;
    redraw();
  }, FRAME_MS);
}

api.follow({
  beginning() {
    store.forget();
    isUpToDate = false;
  },
  record(record) {
    store.put(record, isUpToDate);
    redrawSoon();
  },
  card(card) {
    store.cards.set(card.out_track_id, card);
    redrawSoon();
  },
  openapi(state) {
    store.openapi = state;
    redrawSoon();
  },
  people(people) {
    for (const { staff_id: staffId, name } of people) store.meet(staffId, name);
    redrawSoon();
  },
  robots(robots) {
    store.robots = robots;
    redrawSoon();
  },
  skills({ skills }) {
    store.skills = skills;
    redrawSoon();
  },
  faults(faults) {
    store.faults = faults;
    redrawSoon();
  },
  demo(demo) {
    store.demo = demo;
    redrawSoon();
  },
  stream(stream) {
    store.stream = stream;
    redrawSoon();
  },
  streamFaults(faults) {
    store.streamFaults = faults;
    redrawSoon();
  },
  upToDate() {
    chat.toEnd ||= !isUpToDate;
    isUpToDate = true;
    document.documentElement.dataset.ready = "true";
    redrawSoon();
  },
  connection(up) {
    isUp = up;
    redrawSoon();
  },
});

function showTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

byId("theme-button").addEventListener("click", () => {
  const isDark =
    document.documentElement.dataset.theme === "dark" ||
    (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const theme = isDark ? "light" : "dark";
  localStorage.setItem("theme", theme);
  showTheme(theme);
});
byId("language-button").addEventListener("click", () => {
  switchLanguage();
  redraw();
});
byId("messages-button").addEventListener("click", () => togglePanel("messages"));
byId("bad-day-button").addEventListener("click", () => togglePanel("bad-day"));
byId("log").addEventListener("say", ({ detail }) => composer.say(detail));
document.addEventListener("keydown", ({ key, isComposing }) => {
  // While an input method composes, Escape takes back what it has.
  if (key === "Escape" && !isComposing) closePanel();
});
addEventListener("hashchange", arrive);

offerNewChat((conversation) => go(conversation));
recallWithArrows(byId("text"), () => store.inConversation(store.open).map(({ said }) => said.text));
setInterval(() => chat.tick(store), 1000);
document.addEventListener("visibilitychange", () => {
  store.look(!document.hidden);
  redrawSoon();
});

showTheme(localStorage.getItem("theme"));
writeTexts();
chat.toEnd = true;
arrive();
