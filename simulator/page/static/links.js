// Links and pictures of replies. Only what DingTalk opens is a link; anything else stays text.

import { element } from "./dom.js";
import { texts } from "./texts.js";

const SEND = "dtmd://dingtalkclient/sendMessage";
const OPEN = "dingtalk://dingtalkclient/page/link";

/** Where a link leads: {url}, or {say} for DingTalk's links that send a text to the bot, or {}. */
export function destination(url) {
  let parsed;
  try {
    parsed = new URL(url);
  } catch {
    return {};
  }
  if (["http:", "https:"].includes(parsed.protocol)) return { url: parsed.href };
  if (url.startsWith(SEND)) return { say: parsed.searchParams.get("content") ?? "" };
  if (url.startsWith(OPEN)) {
    const inner = parsed.searchParams.get("url") ?? "";
    return inner.startsWith(OPEN) ? {} : destination(inner);
  }
  return {};
}

/** A link; one that sends a text is a button, and the page sends it (the event `say`). */
export function link(url, children, properties = {}) {
  const { url: href, say } = destination(url);
  if (say) {
    const onclick = ({ target }) =>
      target.dispatchEvent(new CustomEvent("say", { bubbles: true, detail: say }));
    return element("button", { type: "button", class: "link", ...properties, onclick }, ...children);
  }
  if (!href) return element("span", { title: url, ...properties }, ...children);
  const out = { href, target: "_blank", rel: "noopener noreferrer" };
  return element("a", { ...out, ...properties }, ...children);
}

/** Where the simulator keeps what the bot has uploaded, by its mediaId. */
export const uploaded = (mediaId) => `/api/media/${encodeURIComponent(mediaId)}`;

/** A picture at a URL or with a mediaId, or words in its place if it can't be loaded. */
export function picture(url, alt) {
  const src = url.startsWith("@") ? uploaded(url) : destination(url).url;
  const words = () =>
    element("span", { class: "no-picture", title: url }, `[${alt || texts.picture}]`);
  if (!src) return words();
  return element("img", {
    src,
    alt: alt ?? "",
    loading: "lazy",
    referrerpolicy: "no-referrer",
    onerror: ({ target }) => target.replaceWith(words()),
  });
}
