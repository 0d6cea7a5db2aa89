// The markdown of cards, which can do more than that of messages: tables, fences, rules and <br>.

import { element } from "./dom.js";
import { inline, markdown } from "./markdown.js";

const FENCE = /^ {0,3}```\s*([^`]*)$/;
const RULE = /^ {0,3}(?:-{3,}|\*{3,}|_{3,})\s*$/;
const ROW = /^ {0,3}\|(.*)\|\s*$/;
const DELIMITER = /^:?-+:?$/;
const BREAK = /<br\s*\/?>/gi;

/**
 * @param {string} text which may end in the middle of a fence or a table: it may still grow.
 * @param {{words(text: string): Node[], picture(url: string, alt: string): Node}} draw
 * @returns {Node[]}
 */
export function cardMarkdown(text, draw) {
  const nodes = [];
  const plain = [];
  const flush = () => nodes.push(...markdown(plain.splice(0).join("\n").replace(BREAK, "  \n"), draw));
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  for (let at = 0; at < lines.length; ) {
    const block = fence(lines, at) ?? rule(lines, at) ?? table(lines, at, draw);
    if (!block) {
      plain.push(lines[at]);
      at += 1;
      continue;
    }
    flush();
    nodes.push(block.node);
    at = block.next;
  }
  flush();
  return nodes;
}

function fence(lines, at) {
  if (!FENCE.test(lines[at])) return null;
  const length = lines.slice(at + 1).findIndex((line) => FENCE.test(line));
  const end = length < 0 ? lines.length : at + 1 + length;
  const code = element("code", {}, lines.slice(at + 1, end).join("\n"));
  return { node: element("pre", { tabindex: "0" }, code), next: end + 1 };
}

function rule(lines, at) {
  return RULE.test(lines[at]) ? { node: element("hr"), next: at + 1 } : null;
}

/** A table begins after an empty line, with a row of heads and one of dashes. */
function table(lines, at, draw) {
  const isAfterText = at > 0 && lines[at - 1].trim();
  const heads = cells(lines[at]);
  const dashes = cells(lines[at + 1] ?? "");
  if (isAfterText || !heads || !dashes?.every((cell) => DELIMITER.test(cell))) return null;
  let end = at + 2;
  while (end < lines.length && cells(lines[end])) end += 1;
  const row = (tag, values) =>
    element("tr", {}, ...heads.map((_, column) => element(tag, {}, ...cell(values[column] ?? "", draw))));
  const body = lines.slice(at + 2, end).map((line) => row("td", cells(line)));
  const node = element("table", {}, element("thead", {}, row("th", heads)), element("tbody", {}, ...body));
  return { node: element("div", { class: "wide", tabindex: "0" }, node), next: end };
}

const cells = (line) => ROW.exec(line)?.[1].split("|").map((cell) => cell.trim());
const cell = (text, draw) => inline(text.replace(BREAK, " "), draw);
