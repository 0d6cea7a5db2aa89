// What a person has said, as DingTalk's clients draw it.

import { element } from "./dom.js";
import { picture } from "./links.js";
import { wordsOf } from "./store.js";
import { texts } from "./texts.js";
import { mention } from "./widgets.js";

const DEFAULT_CLIENT = "Mac";

/** The bubble of a message, and a line on its sender where that is no usual one. */
export function drawSaid({ said, raw }, bot) {
  return [
    element(
      "div",
      { class: "bubble text" },
      said.quoted ? quotation(said.quoted, bot) : null,
      ...mentions(said, bot).flatMap((name) => [mention(name), " "]),
      ...words(said),
      said.file ? attached(said) : null,
    ),
    remark(said, raw),
  ].filter(Boolean);
}

function quotation(quoted, bot) {
  const words = wordsOf(quoted) || texts.kindsOfMessages[quoted.kind];
  return element("blockquote", { class: "quoted" }, `${quoted.sender ?? bot}：${words}`);
}

/** The names that are mentioned, where the words themselves don't hold them. */
function mentions({ single, mention: mentionsBot, mentioned, at_all: atAll, runs }, bot) {
  if (single) return [];
  return [
    ...(mentionsBot && !runs.length ? [bot] : []),
    ...(atAll ? [texts.everyone] : []),
    ...mentioned.map(({ name }) => name).filter((name) => !runs.includes(`@${name}`)),
  ];
}

/** Rich text keeps its runs, so that one sees where it is cut. */
function words(said) {
  if (!said.runs.length) return [wordsOf({ ...said, quoted: null, at_all: false })];
  const pictures = wordsOf({ ...said, quoted: null, at_all: false, runs: [] });
  const runs = said.runs.map((run) =>
    element("span", { class: /^@\S/.test(run) ? "run mention" : "run" }, run),
  );
  return [pictures ? `${pictures} ` : "", ...runs];
}

function remark({ external, published, client }, raw) {
  const odd = [
    external ? texts.external : "",
    published ? "" : texts.unpublishedRobot,
    client === DEFAULT_CLIENT ? "" : client,
    raw ? texts.rawCallback : "",
  ].filter(Boolean);
  return odd.length ? element("p", { class: "remark" }, odd.join(" · ")) : null;
}

/** What a message holds, as far as the browser can show it. */
function attached({ kind, file, text }) {
  const { href } = new URL(`/api/files/${encodeURIComponent(file)}`, location.href);
  if (kind === "picture" || kind === "richText") return picture(href, texts.picture);
  return element("a", { href, download: text || kind }, texts.save);
}
