// What the buttons of the demo's strip do, and what came of it, in one line that goes on changing.

import * as api from "./api.js";
import { isEnded, stateOf } from "./states.js";
import { replyIsShown } from "./store.js";
import { texts } from "./texts.js";

/**
 * What came of a button.
 * @typedef {{effect: string, wait: string}} Told `effect` is read out; `wait` counts seconds, and is not.
 * @typedef {(store: import("./store.js").Store) => Told} Tell
 */

/** @returns {Promise<Tell>} */
export async function killWorker(store) {
  const starts = startsOf(store);
  const leases = new Map([...store.records].map(([id, record]) => [id, leasesOf(record)]));
  const { name, messages } = await api.killInDemo("worker");
  return (store) => {
    const killed = messages.length ? texts.strip.killedInMidAnswer(name) : texts.strip.killedIdle(name);
    const { effect, wait } = becameOf(store, messages, leases);
    return { effect: joined(killed, returned(store, name, starts), effect), wait };
  };
}

/** @returns {Promise<Tell>} */
export async function killGateway(store) {
  const starts = startsOf(store);
  const { name } = await api.killInDemo("gateway");
  return (store) => ({ effect: joined(texts.strip.killed(name), returned(store, name, starts)), wait: "" });
}

/** @returns {Promise<Tell>} */
export async function stopRedis(store, seconds) {
  const starts = startsOf(store);
  const { name } = await api.stopRedisInDemo(seconds);
  return (store) => {
    const back = isBack(store, name, starts);
    return { effect: back ? texts.strip.redisWasAway(inSeconds(back.down_ms)) : texts.strip.redisIsAway, wait: "" };
  };
}

/** @returns {Promise<Tell>} */
export async function sendMany(store, count) {
  const [began, before] = [Date.now(), store.demo.numbers.accepted];
  const message = { text: texts.strip.question, single: true, sender: texts.strip.colleague };
  await api.sendMany(message, count);
  const sent = Date.now();
  let ended = null;
  return ({ demo: { numbers } }) => {
    if (numbers.accepted > before && numbers.open === 0) ended ??= Date.now();
    const outcome = ended ? texts.strip.allEnded(inSeconds(ended - began)) : texts.strip.stillOpen(numbers.open);
    return { effect: joined(texts.strip.sent(count, inSeconds(sent - began)), outcome), wait: "" };
  };
}

const inSeconds = (ms) => (ms / 1000).toFixed(1);
const joined = (...parts) => parts.filter(Boolean).join(texts.strip.then);

/** How often each process was started again, before something happens to one. */
const startsOf = ({ demo }) => new Map(demo.processes.map(({ name, restarts }) => [name, restarts]));

const isBack = ({ demo }, name, starts) =>
  demo.processes.find((each) => each.name === name && each.state === "running" && each.restarts > starts.get(name));

function returned(store, name, starts) {
  const back = isBack(store, name, starts);
  return back ? texts.strip.backAfter(inSeconds(back.down_ms)) : texts.strip.comesBack;
}

const leasesOf = (record) => record.stories.at(-1)?.lease_count ?? 0;

/** What became of the messages that a killed worker was answering. */
function becameOf(store, messages, leases) {
  const begun = messages.filter(({ msg_id: id }) => store.records.has(id));
  const recordOf = ({ msg_id: id }) => store.records.get(id);
  const open = begun.filter((message) => !isEnded(stateOf(recordOf(message))));
  if (!open.length) return { effect: begun.length ? answered(begun.map(recordOf)) : "", wait: "" };
  const waiting = open.filter((message) => leasesOf(recordOf(message)) <= leases.get(message.msg_id));
  if (!waiting.length) return { effect: texts.strip.takenUp, wait: "" };
  const ends = Math.max(...waiting.map(({ lease_ends_ms: ms }) => ms ?? 0));
  return { effect: texts.strip.waitsForLease, wait: texts.strip.inSeconds(Math.max(0, Math.ceil((ends - Date.now()) / 1000))) };
}

/** How often each of these messages was answered, as the chat shows it, and when. */
function answered(records) {
  const shown = records.map(({ replies }) => replies.filter(replyIsShown));
  const counts = [...new Set(shown.map(({ length }) => length))];
  if (counts.some((count) => count !== 1)) return texts.strip.answers(counts.join(", "));
  return texts.strip.answeredOnce(inSeconds(Math.max(...shown.map(([reply]) => reply.after_ms))));
}
