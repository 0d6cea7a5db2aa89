// The states of messages, and what they are called.

import { texts } from "./texts.js";

const OPEN = ["sent", "accepted", "leased", "sending"];
const ENDED = ["answered", "unmatched", "refused", "dead"];

/** A message's state: the ledger's word, or what DingTalk sees. */
export function stateOf(record) {
  if (record.loaded) return "loaded";
  const timeline = record.stories.at(-1);
  if (timeline) return timeline.state;
  const acks = [record.ack, ...record.redeliveries].filter(Boolean);
  if (acks.some((ack) => ack.status >= 200 && ack.status < 300)) return "acknowledged";
  if (acks.length) return `${record.mode === "stream" ? "code" : "HTTP"} ${acks.at(-1).status}`;
  return record.undelivered ? "undelivered" : "sent";
}

/** Why a message never got to the bot, or null. */
export const whyUndelivered = ({ said, undelivered }) =>
  undelivered && !said.single && !said.mention ? texts.notMentioned : undelivered;

/** Whether the bot still has something to do for a message in this state. */
export const isOpen = (state) => OPEN.includes(state);

export const isEnded = (state) => ENDED.includes(state);

/** A state's name in the page's language; an HTTP status or an ack's code is its own. */
export const stateName = (state) => texts.stateNames[state] ?? state;

/** How a message ended, with the reason of a dead letter. */
export function endingOf({ state, reason }) {
  const [, kind, detail] = /^(\w+)(?:: )?(.*)$/s.exec(reason) ?? [null, "", reason];
  const why = [texts.reasons[kind] ?? kind, detail].filter(Boolean).join(": ");
  return [stateName(state), why].filter(Boolean).join(" · ");
}
