// DingTalk's markdown: a small subset with quirks of its own.
//
// Headings, quotes, bold, italic, links, pictures and lists are documented; anything else (tables,
// fences, HTML) shows as it was written. A lone line break is a blank: it takes two blanks before
// it, or an empty line. A numbered list needs an empty line before it.

import { element } from "./dom.js";
import { link } from "./links.js";

const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const QUOTE = /^ {0,3}>\s?(.*)$/;
const BULLET = /^ {0,3}[-*+]\s+(.*)$/;
const NUMBER = /^ {0,3}\d{1,9}[.)]\s+(.*)$/;
const BREAK = / {2,}$/;
/** Quotes in quotes, beyond which a quote's mark is a character like any other. */
const MAX_DEPTH = 8;

/**
 * @param {string} text
 * @param {{words(text: string): Node[], picture(url: string, alt: string): Node}} draw makes nodes of
 *   plain words, mentions among them, and of pictures.
 * @param {number} depth how many quotes it is in.
 * @returns {Node[]}
 */
export function markdown(text, draw, depth = 0) {
  const blocks = [];
  let open = null;
  let afterBlank = true;

  const start = (kind) => {
    if (open?.kind !== kind) blocks.push((open = { kind, lines: [] }));
    return open.lines;
  };

  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    const [heading, quote, bullet, number] = [HEADING, QUOTE, BULLET, NUMBER].map((kind) =>
      kind.exec(line),
    );
    if (!line.trim()) {
      if (open?.kind === "p" || open?.kind === "blockquote") open = null;
    } else if (heading) {
      blocks.push({ kind: `h${heading[1].length}`, lines: [heading[2]] });
      open = null;
    } else if (quote && depth < MAX_DEPTH) start("blockquote").push(quote[1]);
    else if (bullet) start("ul").push(bullet[1]);
    else if (number && (afterBlank || open?.kind === "ol")) start("ol").push(number[1]);
    else start("p").push(line);
    afterBlank = !line.trim();
  }
  return blocks.map((block) => built(block, draw, depth));
}

function built({ kind, lines }, draw, depth) {
  if (kind === "ul" || kind === "ol") {
    return element(kind, {}, ...lines.map((line) => element("li", {}, ...inline(line, draw))));
  }
  if (kind === "blockquote") {
    return element(kind, {}, ...markdown(lines.join("\n"), draw, depth + 1));
  }
  // A message's heading must not count among the page's own headings.
  if (kind !== "p") {
    return element("div", { class: `md-${kind}` }, ...inline(lines[0], draw));
  }
  return element("p", {}, ...paragraph(lines, draw));
}

function paragraph(lines, draw) {
  return lines.flatMap((line, index) => {
    const last = index === lines.length - 1;
    const end = last ? [] : BREAK.test(line) ? [element("br")] : [" "];
    return [...inline(line.trim(), draw), ...end];
  });
}

const INLINE = new RegExp(
  [
    /!\[(?<alt>[^\]]*)\]\(\s*(?<picture>[^\s)]+)\s*\)/,
    /\[(?<title>[^\]]*)\]\(\s*(?<link>[^\s)]+)\s*\)/,
    /\*\*(?=\S)(?<bold>[^]+?)\*\*/,
    /\*(?=[^\s*])(?<italic>[^*]+?)\*/,
    /(?<blank>&nbsp;|&#160;)/,
    /\\(?<escaped>[\\`*_{}[\]()#+.!<>|-])/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "g",
);

/** The nodes of a line. */
export function inline(text, draw) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > end) nodes.push(...draw.words(text.slice(end, match.index)));
    nodes.push(span(match.groups, draw));
    end = match.index + match[0].length;
  }
  if (end < text.length) nodes.push(...draw.words(text.slice(end)));
  return nodes;
}

function span({ alt, picture: src, title, link: href, bold, italic, blank, escaped }, draw) {
  if (src) return draw.picture(src, alt);
  if (href) return link(href, inline(title, draw));
  if (bold) return element("strong", {}, ...inline(bold, draw));
  if (italic) return element("em", {}, ...inline(italic, draw));
  return document.createTextNode(blank ? "\u00a0" : escaped);
}
