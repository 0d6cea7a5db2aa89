// The page: it follows the server, and draws what has changed.

import * as api from "./api.js";
import { drawBadDay, drawBanner } from "./bad_day.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { drawConversations } from "./conversations.js";
import { Details } from "./details.js";
import { byId } from "./dom.js";
import { drawUsage } from "./openapi.js";
import { GROUP, groupOf, personOf, Store, titleOf } from "./store.js";
import { drawMode } from "./stream.js";
import { switchLanguage, texts, writeTexts } from "./texts.js";

const opened = () => {
  const conversation = decodeURIComponent(location.hash.slice(1));
  return personOf(conversation) || groupOf(conversation) ? conversation : GROUP;
};

const store = new Store(GROUP);
const page = { attempt, redraw, close: closePanels, nameOf: (staffId) => store.names.get(staffId) ?? staffId };
const chat = new Chat(byId("log"), { choose, press });
const details = new Details(byId("details"), page);
const composer = new Composer(store, say, redraw);

let isUpToDate = false;
let isUp = true;
let panel = null;
/** What had the focus before a panel was opened. */
let opener = null;

function redraw() {
  drawConversations(byId("conversations"), store, (conversation) => {
    location.hash = conversation;
  });
  byId("title").textContent = titleOf(store.open);
  drawBanner(byId("banner"), store, page);
  chat.draw(store);
  composer.draw();
  drawPanel();
  drawMode(byId("mode"), store);
  drawUsage(byId("usage"), store);
  byId("line").textContent = isUp ? "" : texts.lineDown;
}

function drawPanel() {
  const subject = store.records.get(store.selected) ?? store.cards.get(store.selected);
  if (panel === "details" && !subject) panel = null;
  byId("details").hidden = panel !== "details";
  byId("bad-day").hidden = panel !== "bad-day";
  byId("bad-day-button").setAttribute("aria-expanded", String(panel === "bad-day"));
  if (panel === "details") details.draw(subject);
  if (panel === "bad-day") drawBadDay(byId("bad-day"), store, page);
}

function openPanel(name) {
  opener = document.activeElement?.dataset?.key ?? document.activeElement?.id;
  panel = name;
  redraw();
  byId(`${name}-title`)?.focus();
}

function closePanels() {
  if (!panel) return;
  panel = null;
  store.selected = null;
  redraw();
  const back = opener && (byId(opener) ?? document.querySelector(`[data-key="${CSS.escape(opener)}"]`));
  (back ?? byId("text")).focus();
}

/** Opens the details of a message, or of a card. */
function choose(id) {
  store.selected = id;
  openPanel("details");
}

/** Presses a card's button as the person who looks at it. */
function press(card, button) {
  attempt(api.press(card, store.viewer, button));
}

function say(message, file) {
  chat.toEnd = true;
  attempt(file ? api.giveFile(file).then((id) => api.say({ ...message, file: id })) : api.say(message));
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

let isDrawing = false;

/** Draws once for all changes that come together. */
function redrawSoon() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    redraw();
  });
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
  faults(faults) {
    store.faults = faults;
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
byId("bad-day-button").addEventListener("click", () =>
  panel === "bad-day" ? closePanels() : openPanel("bad-day"),
);
byId("log").addEventListener("say", ({ detail }) => composer.say(detail));
document.addEventListener("keydown", ({ key }) => key === "Escape" && closePanels());
addEventListener("hashchange", () => {
  store.enter(opened());
  chat.toEnd = true;
  redraw();
});

showTheme(localStorage.getItem("theme"));
writeTexts();
store.enter(opened());
redraw();
