// The replies as DingTalk renders them, one function for each msgtype.

import { element } from "./dom.js";
import { link, picture, uploaded } from "./links.js";
import { markdown } from "./markdown.js";
import { texts } from "./texts.js";
import { mention } from "./widgets.js";

/**
 * @param {object} reply a shown one, as the API tells it.
 * @param {Map<string, string>} names the nicknames of userids.
 * @returns {Node}
 */
export function renderReply(reply, names) {
  const { payload, notified } = reply;
  const draw = { words: mentioning(notified, names), picture };
  const body = kinds[payload.msgtype](payload[payload.msgtype], draw);
  if (payload.at?.isAtAll) body.append(element("p", {}, mention(texts.everyone)));
  return body;
}

const kinds = {
  text: ({ content }, { words }) => element("div", { class: "bubble text" }, ...words(content)),

  // The title of a markdown message shows in the list of conversations only.
  markdown: ({ text }, draw) => element("div", { class: "bubble markdown" }, ...markdown(text, draw)),

  link: ({ title, text, messageUrl, picUrl }, { words }) =>
    link(
      messageUrl,
      [
        element("strong", {}, title),
        element("span", { class: "link-text" }, ...words(text), picUrl && picture(picUrl, "")),
      ],
      { class: "bubble card link-card" },
    ),

  actionCard: (card, draw) =>
    element(
      "div",
      { class: "bubble card action-card" },
      element("div", { class: "markdown" }, ...markdown(card.text, draw)),
      jumps(card),
    ),

  feedCard: ({ links }) =>
    element(
      "ul",
      { class: "bubble card feed-card" },
      ...links.map(({ title, messageURL, picURL }, index) =>
        element(
          "li",
          { class: index === 0 ? "first" : null },
          link(messageURL, [element("span", {}, title), picture(picURL, "")]),
        ),
      ),
    ),

  image: ({ photoURL }) => element("div", { class: "bubble" }, picture(photoURL, texts.picture)),

  file: ({ mediaId, fileName }) => file(mediaId, fileName, "📄"),

  audio: ({ mediaId, duration }) => file(mediaId, texts.voice(Math.round(duration / 1000)), "🎤"),

  video: ({ videoMediaId, duration }) => file(videoMediaId, texts.video(duration), "🎬"),
};

/** What is there to be opened; only a picture is drawn. */
const file = (mediaId, words, sign) =>
  element(
    "a",
    { class: "bubble card file", href: uploaded(mediaId), download: words, rel: "noopener noreferrer" },
    element("span", { "aria-hidden": "true" }, sign),
    element("span", {}, words),
  );

/** DingTalk ignores the buttons of a card that has the one link. */
function jumps({ singleTitle, singleURL, btns, btnOrientation }) {
  if (singleTitle && singleURL) {
    return element("div", { class: "jumps" }, link(singleURL, [singleTitle]));
  }
  const direction = btnOrientation === "1" ? "horizontal" : "vertical";
  const buttons = btns.map(({ title, actionURL }) => link(actionURL, [title]));
  return element("div", { class: `jumps ${direction}` }, ...buttons);
}

/** Makes nodes of words, with the mentions of notified users highlighted. */
function mentioning(notified, names) {
  const known = new Map(notified.map((id) => [`@${id}`, names.get(id) ?? id]));
  const ids = [...known.keys()].sort((a, b) => b.length - a.length).map(RegExp.escape ?? escaped);
  if (!ids.length) return (text) => [document.createTextNode(text)];
  const pattern = new RegExp(`(${ids.join("|")})`);
  return (text) =>
    text
      .split(pattern)
      .filter(Boolean)
      .map((part) => (known.has(part) ? mention(known.get(part)) : document.createTextNode(part)));
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");

/** A reply in one line, for the list of conversations. */
export function preview({ payload, notified }, names) {
  const { msgtype } = payload;
  const content = payload[msgtype];
  const words = content.title ?? content.content ?? content.fileName ?? content.links?.[0]?.title;
  const drawn = mentioning(notified, names)(words ?? `[${texts.kinds[msgtype]}]`);
  return drawn.map((node) => node.textContent).join("");
}
