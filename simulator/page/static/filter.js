// Which messages the list shows: by state, skill, sender, and words.

import { stateOf } from "./states.js";
import { wordsOf } from "./store.js";

export const NO_FILTER = { state: "", skill: "", sender: "", text: "" };

/**
 * @param {object} record
 * @param {typeof NO_FILTER} filter "" lets all pass; `text` is looked for in what was said and replied.
 */
export function passes(record, { state, skill, sender, text }) {
  return (
    (!state || stateOf(record) === state) &&
    (!skill || skillOf(record) === skill) &&
    (!sender || record.said.sender === sender) &&
    wordsIn(record).toLowerCase().includes(text.trim().toLowerCase())
  );
}

/** What there is to choose from among some messages, in order. */
export function choices(records) {
  const all = (of) => [...new Set(records.map(of))].filter(Boolean).sort();
  return { state: all(stateOf), skill: all(skillOf), sender: all(({ said }) => said.sender) };
}

/** The skill that answered; "" where none did, or nothing tells. */
export const skillOf = ({ inspection }) => inspection?.skill ?? "";

const wordsIn = ({ said, replies }) => [wordsOf(said), ...replies.map(wordsOfReply)].join("\n");

function wordsOfReply({ payload }) {
  const content = Object.values(payload?.[payload.msgtype] ?? {});
  return content.filter((each) => typeof each === "string").join("\n");
}
