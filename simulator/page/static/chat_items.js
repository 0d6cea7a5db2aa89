// What the chat shows of a conversation, item by item: messages, replies, cards, and notes.

import { endingOf, isEnded, isOpen, stateOf, whyUndelivered } from "./states.js";
import { personOf, replyIsShown } from "./store.js";
import { texts } from "./texts.js";

export const DIVIDER = "divider";

/**
 * @param {import("./store.js").Store} store
 * @returns {{kind: string, key: string, at_ms: number, look: unknown}[]} in order; an item is drawn again when
 *   its look has changed.
 */
export function itemsOf(store) {
  const speaker = personOf(store.open) ? null : store.speaker;
  const records = store.inConversation(store.open);
  const items = records.flatMap((record) =>
    record.card
      ? cardItems(record, store)
      : messageItems(record, records, {
          isMine: record.said.sender === (speaker ?? record.said.sender),
          bot: store.nameOfRobot(record.said.robot),
        }),
  );
  return [...items, ...dividerItems(store), ...waitingItems(records)].sort((a, b) => a.at_ms - b.at_ms);
}

/** The id of the message or card that an item shows, or of the line above what is new. */
export const idOf = ({ kind, key, card }) => ([DIVIDER, "said"].includes(kind) ? key : card?.out_track_id);

/** A card that the bot has sent to the conversation; in a group it may be for some people only. */
function cardItems({ msg_id: key, sent_at_ms: at_ms, card: id }, store) {
  const card = store.cards.get(id);
  const recipients = card?.spaces.find(({ record_id: recordId }) => recordId === key)?.recipients ?? [];
  const isSeen = card && (!recipients.length || recipients.includes(store.viewer));
  return isSeen ? [{ kind: "card", key, at_ms, card, look: [card, store.viewer] }] : [];
}

function messageItems(record, records, { isMine, bot }) {
  const { msg_id: id, sent_at_ms: sent } = record;
  const said = { kind: "said", key: id, at_ms: sent, record, look: [isMine, bot, record.reactions], isMine, bot };
  const replies = record.replies.map((reply, at) => replyItem(`${id} ${at}`, sent, reply, bot));
  const first = record.in_callback_reply;
  if (record.prompted === false) return replies;
  if (first) replies.unshift({ ...replyItem(`${id} ack`, sent, first, bot), inCallback: true });
  return [said, ...replies, ...silence(record, records)];
}

function replyItem(key, sent, reply, bot) {
  const item = { key, at_ms: sent + reply.after_ms, look: [reply, bot], bot };
  if (replyIsShown(reply)) return { ...item, kind: "reply", reply };
  const words = texts.unheard[reply.trouble] ?? texts.refusedReply(reply.errcode, reply.errmsg);
  return { ...item, kind: "note", tone: "bad", words };
}

/** A note where there is no reply; an answer may also be a card in the same conversation. */
function silence(record, records) {
  const timeline = record.stories.at(-1);
  const shown = record.replies.some(replyIsShown) || record.in_callback_reply;
  const note = (words, tone = "") => [
    {
      ...{ kind: "note", key: `${record.msg_id} end`, look: words, words, tone },
      at_ms: timeline?.ended_ms ?? record.sent_at_ms + (record.ack?.after_ms ?? 0),
    },
  ];
  const state = stateOf(record);
  if (state === "loaded") return [];
  if (state === "undelivered") {
    return note(`${texts.undelivered[record.mode]}: ${whyUndelivered(record)}`, "bad");
  }
  if (/^(HTTP|code) /.test(state)) return note(texts.notAcknowledged[record.mode](state), "bad");
  if (timeline && isEnded(timeline.state)) {
    if (timeline.state === "dead") return note(endingOf(timeline), "bad");
    const isOnCard =
      timeline.state === "answered" &&
      records.some(({ card, sent_at_ms: at }) => card && record.sent_at_ms <= at && at <= timeline.ended_ms);
    return shown || isOnCard ? [] : note(`${texts.noReply} · ${endingOf(timeline)}`);
  }
  const isOld = Date.now() - record.sent_at_ms > 5000;
  return !timeline && !shown && isOld && state === "acknowledged" ? note(texts.noReplyYet) : [];
}

/** A line above what came since the conversation was last open. */
const dividerItems = ({ newSince }) =>
  newSince === null ? [] : [{ kind: DIVIDER, key: DIVIDER, at_ms: newSince - 0.5, look: null }];

/** A sign below everything, as long as the bot has something to do. */
function waitingItems(records) {
  const open = records.filter((record) => !record.card && record.prompted !== false && isOpen(stateOf(record)));
  if (!open.length) return [];
  const [oldest] = open;
  const sign = { state: stateOf(oldest), since_ms: oldest.sent_at_ms, count: open.length };
  return [{ kind: "waiting", key: "waiting", at_ms: Infinity, look: null, ...sign }];
}
