// What the next message holds besides words: a chip for each, which a click takes away.

import { element, refill } from "./dom.js";
import { EMPTY, USUAL_SENDER, withoutFile } from "./draft.js";
import { personOf, wordsOf } from "./store.js";
import { texts } from "./texts.js";

/** @param {import("./composer.js").Composer} composer */
export function chipsOf(composer) {
  return [...contentChips(composer), ...senderChips(composer)];
}

/** Draws them again only when they have changed. */
export function drawChips(list, chips) {
  const look = JSON.stringify([texts.brand, chips.map(({ words }) => words)]);
  if (list.dataset.look === look) return;
  list.dataset.look = look;
  list.hidden = !chips.length;
  refill(list, ...chips.map((chip) => element("li", {}, button(chip))));
}

const button = ({ words, remove }) =>
  element(
    "button",
    { type: "button", class: "chip", "aria-label": texts.takeAway(words), onclick: remove },
    element("span", {}, words),
    element("span", { "aria-hidden": "true" }, "×"),
  );

function contentChips(composer) {
  const { content } = composer;
  const { kind, quoted, pictures, mentioned, at_all: atAll, name, runs } = content;
  const chip = (words, less) => ({ words, remove: () => (composer.content = { ...composer.content, ...less(composer.content) }) });
  const inGroup = !personOf(composer.store.open);
  const held = kind !== "text" && !runs.length && !(kind === "richText" && pictures);
  return [
    quoted && chip(texts.quoting(quoted.sender ?? composer.botName, wordsOf(quoted)), () => ({ quoted: null })),
    pictures && chip([texts.picture, name].filter(Boolean).join(" "), withoutFile),
    held && chip([texts.kindsOfMessages[kind], name].filter(Boolean).join(" "), () => ({ ...EMPTY, quoted })),
    ...(inGroup ? mentioned : []).map((each) =>
      chip(each.staff_id === "" ? texts.hiddenMention(each.name) : `@${each.name}`, ({ mentioned: all }) => ({
        mentioned: all.filter(({ name: other }) => other !== each.name),
      })),
    ),
    inGroup && atAll && chip(`@${texts.everyone}`, () => ({ at_all: false })),
  ].filter(Boolean);
}

function senderChips(composer) {
  const { external, client } = composer.sender;
  return [
    external && { words: texts.external, remove: () => composer.change({ external: false }) },
    client !== USUAL_SENDER.client && { words: client, remove: () => composer.change({ client: USUAL_SENDER.client }) },
    !composer.store.published && { words: texts.unpublishedRobot, remove: () => (composer.published = true) },
  ].filter(Boolean);
}
