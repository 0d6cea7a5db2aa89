// The steps of a message, each with its time, as the real parts have measured them.

import { callOf } from "./inspection.js";
import { codeOf, stateName, whyUndelivered } from "./states.js";
import { texts } from "./texts.js";

/**
 * @param {object} record
 * @returns {{name: string, at_ms: number, words: string, detail: string, tone: string}[]} in order.
 */
export function stepsOf(record) {
  const { sent_at_ms: sent, mode } = record;
  const steps = [
    step("sent", sent, texts.steps[mode].sent),
    ...(record.ack ? [ackStep("acknowledged", sent, record.ack, mode)] : []),
    ...record.redeliveries.map((ack) => ackStep("redelivered", sent, ack, mode)),
    ...record.stories.flatMap((timeline, at) => ledgerSteps(timeline, at === 0, record.inspection)),
    ...(record.inspection?.calls ?? []).map(callStep),
    ...record.replies.map((reply) => replyStep("posted", sent, reply)),
  ];
  if (record.undelivered && !record.loaded) {
    const why = record.undelivered_reason ? record.undelivered : whyUndelivered(record);
    const at = sent + record.undelivered_after_ms;
    steps.push(step("undelivered", at, texts.steps[mode].undelivered, why, "bad"));
  }
  if (record.in_callback_reply) steps.push(replyStep("inCallback", sent, record.in_callback_reply));
  if (record.session_expires_ms < record.callback.sessionWebhookExpiredTime) {
    steps.push(step("closed", record.session_expires_ms, texts.steps.closed, "", "bad"));
  }
  // What happened in the end's own millisecond was before it.
  steps.sort((a, b) => a.at_ms - b.at_ms || (a.name === "ended") - (b.name === "ended"));
  return steps;
}

const step = (name, at_ms, words, detail = "", tone = "") => ({ name, at_ms, words, detail, tone });

function ackStep(name, sent, { status, body, after_ms: after }, mode) {
  const isTaken = status >= 200 && status < 300;
  const detail = mode === "stream" ? frameDetail(status, body, isTaken) : `HTTP ${status} ${body}`;
  return step(name, sent + after, texts.steps[mode][name], detail.trim(), isTaken ? "good" : "bad");
}

/** The id of the frame that an ack is of, and why it was refused. */
function frameDetail(code, ack, isTaken) {
  const { headers, message } = parsed(ack);
  const why = isTaken || !message ? "" : ` · ${message}`;
  return `code ${code} · ${texts.frame(headers?.messageId ?? "?")}${why}`;
}

function parsed(json) {
  try {
    return JSON.parse(json) ?? {};
  } catch {
    return {};
  }
}

function replyStep(name, sent, { errcode, errmsg, trouble, after_ms: after }) {
  const detail = texts.unheard[trouble] ?? `errcode ${errcode} ${errmsg}`;
  return step(name, sent + after, texts.steps[name], detail, errcode || trouble ? "bad" : "good");
}

/** A call that the skill made to a backend, at its end. */
function callStep({ at_ms: at, host, status, took_ms: took }) {
  const isGood = /^2\d\d$/.test(status);
  return step("called", at, texts.steps.called(host), `${status} · ${took} ms`, isGood ? "good" : "bad");
}

function ledgerSteps(timeline, isFirst, inspection) {
  const steps = isFirst && timeline.accepted_ms ? [step("accepted", timeline.accepted_ms, texts.steps.accepted, "accepted")] : [];
  if (timeline.leased_ms) {
    const worker = timeline.worker.slice(0, 8) || texts.steps.someWorker;
    const words = texts.steps.leased(worker, timeline.lease_count);
    steps.push(step("leased", timeline.leased_ms, words, "leased"));
    // A later lease may send the reply that an earlier one prepared, without asking a skill.
    if (timeline.lease_count === 1 && timeline.state !== "unmatched") steps.push(...skillSteps(timeline, inspection));
  }
  if (timeline.sending_ms) {
    steps.push(step("sending", timeline.sending_ms, texts.steps.sending, "sending"));
  }
  if (timeline.retry_at_ms) {
    steps.push(step("again", timeline.retry_at_ms, texts.steps.again, "accepted"));
  }
  if (timeline.ended_ms) {
    const tone = timeline.state === "dead" ? "bad" : "good";
    const detail = [codeOf(timeline.state), timeline.reason].filter(Boolean).join(" · ");
    steps.push(step("ended", timeline.ended_ms, `${texts.steps.ended} · ${stateName(timeline.state)}`, detail, tone));
  }
  return steps;
}

/** A skill starts when its message is leased, and ends when the reply is claimed to be sent. */
function skillSteps({ leased_ms: from, sending_ms: to }, inspection) {
  const started = step("skillStarted", from, texts.steps.skillStarted, inspection ? callOf(inspection) : "");
  if (!to) return [started];
  return [started, step("skillEnded", to, texts.steps.skillEnded, `${to - from} ms`)];
}
