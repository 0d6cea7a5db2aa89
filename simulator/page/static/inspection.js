// What the worker did for a message, in its details: the skill with its arguments, the log, a traceback.

import { element } from "./dom.js";
import { texts } from "./texts.js";

const BAD_LEVELS = ["WARNING", "ERROR", "CRITICAL"];

/** What a simulator tells that knows nothing of the worker. */
const NOTHING = { skill: "", command: "", arguments: {}, log: [], traceback: "" };

/** The skill, and what it was called with; null where none was. */
export function skillFacts({ inspection = NOTHING }) {
  const { skill, command, arguments: values } = inspection;
  return skill ? facts(skill, command, values) : null;
}

/** The traceback; null where nothing was raised. */
export function tracebackPart({ inspection = NOTHING }) {
  const { traceback } = inspection;
  return traceback ? folded("traceback", texts.traceback, true, element("pre", { tabindex: "0" }, traceback)) : null;
}

/**
 * The log; null where it has no lines.
 * @param {string[]} opened the ids of the parts that were unfolded.
 */
export function logPart({ inspection = NOTHING }, opened) {
  const { log } = inspection;
  return log.length ? folded("log-lines", texts.logLines(log.length), opened.includes("log-lines"), lines(log)) : null;
}

/** The skill and its command, in one line. */
export const callOf = ({ skill, command }) => [skill, command].filter(Boolean).join(" · ");

function facts(skill, command, values) {
  const rows = [[texts.skill, skill], [texts.command, command], ...Object.entries(values)].filter(([, value]) => value);
  const terms = rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, element("code", {}, value))]);
  return element("dl", { class: "facts", id: "skill-facts" }, ...terms);
}

const folded = (id, title, open, content) =>
  element("details", { id, open }, element("summary", { "data-key": id }, title), content);

function lines(log) {
  const items = log.map(({ level, text, at_ms: at }) =>
    element(
      "li",
      { class: BAD_LEVELS.includes(level) ? "bad" : null },
      element("span", { class: "after" }, new Date(at).toISOString().slice(14, 23)),
      element("code", {}, `${level} ${text}`),
    ),
  );
  return element("ol", { class: "log-lines" }, ...items);
}
