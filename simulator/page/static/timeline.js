// The steps of a message's life, each with its time, from what the real parts have measured.

import { whyUndelivered } from "./store.js";
import { texts } from "./texts.js";

/**
 * @param {object} record
 * @returns {{name: string, at_ms: number, words: string, detail: string, tone: string}[]} in order.
 */
export function stepsOf(record) {
  const sent = record.sent_at_ms;
  const steps = [
    step("sent", sent, texts.steps.sent),
    ...(record.ack ? [ackStep("acknowledged", sent, record.ack)] : []),
    ...record.redeliveries.map((ack) => ackStep("redelivered", sent, ack)),
    ...record.stories.flatMap((story, at) => ledgerSteps(story, at === 0)),
    ...record.replies.map((reply) => replyStep("posted", sent, reply)),
  ];
  if (record.in_callback_reply) steps.push(replyStep("inCallback", sent, record.in_callback_reply));
  if (record.session_expires_ms < record.callback.sessionWebhookExpiredTime) {
    steps.push(step("closed", record.session_expires_ms, texts.steps.closed, "", "bad"));
  }
  steps.sort((a, b) => a.at_ms - b.at_ms);
  if (record.undelivered) {
    steps.push(step("undelivered", sent, texts.steps.undelivered, whyUndelivered(record), "bad"));
  }
  return steps;
}

const step = (name, at_ms, words, detail = "", tone = "") => ({ name, at_ms, words, detail, tone });

function ackStep(name, sent, { status, body, after_ms: after }) {
  const isTaken = status >= 200 && status < 300;
  const detail = `HTTP ${status} ${body}`.trim();
  return step(name, sent + after, texts.steps[name], detail, isTaken ? "good" : "bad");
}

function replyStep(name, sent, { errcode, errmsg, trouble, after_ms: after }) {
  const detail = texts.unheard[trouble] ?? `errcode ${errcode} ${errmsg}`;
  return step(name, sent + after, texts.steps[name], detail, errcode || trouble ? "bad" : "good");
}

function ledgerSteps(story, isFirst) {
  const steps = isFirst ? [step("accepted", story.accepted_ms, texts.steps.accepted, "accepted")] : [];
  if (story.leased_ms) {
    const worker = story.worker.slice(0, 8) || texts.steps.someWorker;
    const words = texts.steps.leased(worker, story.lease_count);
    steps.push(step("leased", story.leased_ms, words, "leased"));
    // A later attempt may send the reply that an earlier one prepared, and ask no skill.
    if (story.lease_count === 1 && story.state !== "unmatched") steps.push(...skillSteps(story));
  }
  if (story.sending_ms) {
    steps.push(step("sending", story.sending_ms, texts.steps.sending, "sending"));
  }
  if (story.retry_at_ms) {
    steps.push(step("again", story.retry_at_ms, texts.steps.again, "accepted"));
  }
  if (story.ended_ms) {
    const tone = story.state === "dead" ? "bad" : "good";
    const why = story.reason ? ` · ${story.reason}` : "";
    steps.push(step("ended", story.ended_ms, texts.steps.ended, `${story.state}${why}`, tone));
  }
  return steps;
}

/** A skill begins when its message is leased, and is done when the reply is claimed to be sent. */
function skillSteps({ leased_ms: from, sending_ms: to }) {
  const started = step("skillStarted", from, texts.steps.skillStarted);
  if (!to) return [started];
  return [started, step("skillEnded", to, texts.steps.skillEnded, `${to - from} ms`)];
}
