// The states of messages, and what they are called.

import { texts } from "./texts.js";

const OPEN = ["sent", "accepted", "leased", "sending"];
const ENDED = ["answered", "unmatched", "refused", "dead"];

/** A message's state: the ledger's word, or what DingTalk sees. */
export function stateOf(record) {
  if (record.loaded) return "loaded";
  const timeline = record.stories.at(-1);
  if (timeline) return timeline.state;
  if (record.turned_away) return "turned_away";
  const acks = [record.ack, ...record.redeliveries].filter(Boolean);
  if (acks.some((ack) => ack.status >= 200 && ack.status < 300)) return "acknowledged";
  if (acks.length) return `${record.mode === "stream" ? "code" : "HTTP"} ${acks.at(-1).status}`;
  return record.undelivered ? "undelivered" : "sent";
}

/** Why a message never got to the bot, in the page's language where the reason is a known one; or null. */
export function whyUndelivered({ said, undelivered, undelivered_reason: reason }) {
  if (undelivered && !said.single && !said.mention) return texts.notMentioned;
  return texts.whyUndelivered[reason] ?? undelivered;
}

/** Whether the bot still has something to do for a message in this state. */
export const isOpen = (state) => OPEN.includes(state);

export const isEnded = (state) => ENDED.includes(state);

/** A state's name in the page's language; an HTTP status or an ack's code is its own. */
export const stateName = (state) => texts.stateNames[state] ?? state;

/** The ledger's word for a state; "" where the page's language has the same. */
export const codeOf = (state) => (stateName(state) === state ? "" : state);

/** How a message ended, with the reason of a dead letter. */
export function endingOf({ state, reason }) {
  const [, kind, detail] = /^(\w+)(?:: )?(.*)$/s.exec(reason) ?? [null, "", reason];
  const why = [texts.reasons[kind] ?? kind, detail].filter(Boolean).join(": ");
  return [stateName(state), why].filter(Boolean).join(" · ");
}
