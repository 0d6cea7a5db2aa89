// DingTalk's markdown: a small subset with quirks of its own.
//
// Headings, quotes, bold, italic, links, pictures and lists are documented; anything else (tables,
// fences, HTML) shows as it was written. A lone line break is a blank: it takes two blanks before
// it, or an empty line. A numbered list needs an empty line before it.

import { element } from "./dom.js";
import { link, picture } from "./links.js";

const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const QUOTE = /^ {0,3}>\s?(.*)$/;
const BULLET = /^ {0,3}[-*+]\s+(.*)$/;
const NUMBER = /^ {0,3}\d{1,9}[.)]\s+(.*)$/;
const BREAK = / {2,}$/;

/**
 * @param {string} text
 * @param {(text: string) => Node[]} words makes nodes of plain words, mentions among them.
 * @returns {Node[]}
 */
export function markdown(text, words) {
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
    } else if (quote) start("blockquote").push(quote[1]);
    else if (bullet) start("ul").push(bullet[1]);
    else if (number && (afterBlank || open?.kind === "ol")) start("ol").push(number[1]);
    else start("p").push(line);
    afterBlank = !line.trim();
  }
  return blocks.map((block) => built(block, words));
}

function built({ kind, lines }, words) {
  if (kind === "ul" || kind === "ol") {
    return element(kind, {}, ...lines.map((line) => element("li", {}, ...inline(line, words))));
  }
  if (kind === "blockquote") return element(kind, {}, ...markdown(lines.join("\n"), words));
  // A heading in a message is none of the page's own headings.
  if (kind !== "p") {
    return element("div", { class: `md-${kind}` }, ...inline(lines[0], words));
  }
  return element("p", {}, ...paragraph(lines, words));
}

function paragraph(lines, words) {
  return lines.flatMap((line, index) => {
    const last = index === lines.length - 1;
    const end = last ? [] : BREAK.test(line) ? [element("br")] : [" "];
    return [...inline(line.trim(), words), ...end];
  });
}

const INLINE = [
  [/!\[([^\]]*)\]\(\s*([^\s)]+)\s*\)/, ([, alt, url]) => picture(url, alt)],
  [/\[([^\]]*)\]\(\s*([^\s)]+)\s*\)/, ([, title, url], words) => link(url, inline(title, words))],
  [/\*\*(?=\S)([^]+?)\*\*/, ([, bold], words) => element("strong", {}, ...inline(bold, words))],
  [/\*(?=[^\s*])([^*]+?)\*/, ([, italic], words) => element("em", {}, ...inline(italic, words))],
  [/&nbsp;|&#160;/, () => document.createTextNode("\u00a0")],
  [/\\([\\`*_{}[\]()#+.!<>|-])/, ([, char]) => document.createTextNode(char)],
];

function inline(text, words) {
  const found = INLINE.map(([pattern, build]) => ({ match: pattern.exec(text), build }))
    .filter(({ match }) => match)
    .sort((a, b) => a.match.index - b.match.index)[0];
  if (!found) return text ? words(text) : [];
  const { match, build } = found;
  const before = text.slice(0, match.index);
  const after = text.slice(match.index + match[0].length);
  return [...(before ? words(before) : []), build(match, words), ...inline(after, words)];
}
