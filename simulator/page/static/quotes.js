// What is quoted when somebody answers to a message: a Quotation; see /openapi.json.

import { element } from "./dom.js";
import { preview } from "./replies.js";
import { texts } from "./texts.js";

/** DingTalk's kinds of messages, by the replies' msgtypes; the others are cards. */
const KINDS = { text: "text", markdown: "markdown", image: "picture", file: "file", audio: "audio", video: "video" };

export const quoteOfMessage = ({ kind, text, runs, sender }) => ({ text: text || runs.join(""), kind, sender });

/** @param {Map<string, string>} names the nicknames of userids: a client shows these where the bot mentions somebody. */
export function quoteOfReply(reply, names) {
  const { msgtype } = reply.payload;
  const { content, text } = reply.payload[msgtype];
  const shown = reply.notified.reduce(
    (words, id) => words.replaceAll(`@${id}`, `@${names.get(id) ?? id}`),
    content ?? text ?? preview(reply, names),
  );
  return { text: shown, kind: KINDS[msgtype] ?? "interactiveCard", sender: null };
}

export const quoteOfCard = ({ title, text }) => ({
  text: [title, text].filter(Boolean).join("\n"),
  kind: "interactiveCard",
  sender: null,
});

/** @param {string} key tells the button from all others. */
export const quoteButton = (key, quote) =>
  element("button", { type: "button", class: "quote-it", "data-key": `quote ${key}`, onclick: quote }, texts.quote);
