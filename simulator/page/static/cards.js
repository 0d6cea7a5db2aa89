// Cards of the OpenAPI, as the person who looks at them sees them. They change where they are.

import { cardMarkdown } from "./card_markdown.js";
import { element, refill } from "./dom.js";
import { link, picture } from "./links.js";
import { quoteButton, quoteOfCard } from "./quotes.js";
import { texts } from "./texts.js";
import { avatar, bylineOfBot } from "./widgets.js";

const GROWING = ["processing", "typing"];

/** The card as somebody sees it, by the userid; undefined is somebody of whom nothing is known. */
export const seenBy = (card, staffId) => card.views[staffId] ?? card.views[""];

/** A card's message in the chat, for `drawCard`. */
export const cardMessage = (card) =>
  element("article", { class: "message bot", "data-card": card.out_track_id });

/**
 * Draws a card into its article in the chat, in the place of what was there.
 * @param {HTMLElement} article
 * @param {{card: object, at_ms: number}} item the card as the API tells it, and when it was sent here.
 * @param {string | undefined} viewer the userid of the person who looks at it.
 * @param {{press(card: object, button: object): void, choose(id: string): void, quote(quoted: object): void}} page
 */
export function drawCard(article, { card, at_ms }, viewer, page) {
  const view = seenBy(card, viewer);
  const press = card.presses.filter(({ staff_id: id }) => id === viewer).at(-1);
  refill(
    article,
    avatar(texts.bot, "robot"),
    bylineOfBot(at_ms),
    element(
      "div",
      { class: "bubble card live-card", "data-state": card.state },
      ...(card.problem ? [element("p", { class: "remark" }, texts.cardProblems[card.problem])] : content(card, view)),
      card.problem || !view.buttons.length ? null : buttons(card, view, press, page),
    ),
    press ? toast(press) : null,
    element(
      "button",
      {
        type: "button",
        class: `state ${card.state}`,
        "data-key": `card ${card.out_track_id}`,
        "aria-label": `${texts.whatOfCard}: ${texts.cardStates[card.state]}`,
        onclick: () => page.choose(card.out_track_id),
      },
      texts.cardStates[card.state],
    ),
    quoteButton(card.out_track_id, () => page.quote(quoteOfCard(view))),
  );
}

function content(card, view) {
  // A screen reader waits for the end of what still grows.
  const isGrowing = GROWING.includes(card.state);
  const text = element("div", { class: "markdown", "aria-busy": String(isGrowing) });
  text.append(...cardMarkdown(view.text, { words: (words) => [document.createTextNode(words)], picture: cardPicture }));
  const last = text.lastElementChild?.matches("p") ? text.lastElementChild : text;
  if (isGrowing) last.append(element("span", { class: "cursor", "aria-hidden": "true" }));
  return [
    view.title ? element("p", { class: "card-title" }, view.title) : null,
    view.picture ? picture(view.picture, texts.picture) : null,
    view.text || isGrowing ? text : null,
    ...Object.values(view.others ?? {}).map((value) => element("p", { class: "remark" }, value)),
  ];
}

/** In a card's markdown DingTalk shows no uploaded picture, only one that has a URL. */
const cardPicture = (url, alt) => picture(url.startsWith("@") ? "" : url, alt);

function buttons(card, view, press, page) {
  const direction = view.buttons.length > 2 ? "vertical" : "horizontal";
  const isWaiting = press && !press.toast;
  const nodes = view.buttons.map((button) =>
    button.url
      ? link(button.url, [button.text])
      : element(
          "button",
          {
            type: "button",
            class: button.color,
            disabled: !button.enabled || !button.action_id || isWaiting,
            "data-key": `press ${card.out_track_id} ${button.text}`,
            onclick: () => page.press(card, button),
          },
          button.text,
        ),
  );
  return element("div", { class: `jumps ${direction}` }, ...nodes);
}

/** What the client says to the person who pressed a button, for a moment; here it stays. */
const toast = (press) =>
  element(
    "p",
    { class: `remark toast ${press.toast ?? ""}`, role: "status" },
    press.toast ? texts.toasts[press.toast] : texts.pressing,
  );
