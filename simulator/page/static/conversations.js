// The list of conversations, with the newest words of each.

import { seenBy } from "./cards.js";
import { element, refill } from "./dom.js";
import { preview } from "./replies.js";
import { personOf, replyIsShown, titleOf, wordsOf } from "./store.js";
import { texts } from "./texts.js";
import { avatar } from "./widgets.js";

export function drawConversations(nav, store, enter) {
  const items = store.conversations().map((conversation) => {
    const unread = store.unread.get(conversation)?.count;
    return element(
      "li",
      {},
      element(
        "button",
        {
          type: "button",
          "data-key": conversation,
          "aria-current": conversation === store.open ? "true" : null,
          onclick: () => enter(conversation),
        },
        avatar(personOf(conversation) ?? texts.groupKind),
        element("span", { class: "who" }, titleOf(conversation)),
        element("span", { class: "newest" }, newest(store, conversation)),
        unread ? element("span", { class: "unread" }, texts.unread(unread)) : null,
      ),
    );
  });
  refill(nav, element("ul", {}, ...items));
}

function newest(store, conversation) {
  const record = store.inConversation(conversation).at(-1);
  if (!record) return texts.nothingYet;
  if (record.card) return `${texts.bot}: ${titleOfCard(store, record.card)}`;
  const reply = record.replies.filter(replyIsShown).at(-1);
  return reply ? `${store.nameOfRobot(record.said.robot)}: ${preview(reply, store.names)}` : `${record.said.sender}: ${wordsOf(record.said)}`;
}

function titleOfCard(store, id) {
  const card = store.cards.get(id);
  return (card && seenBy(card, store.viewer).title) || texts.cardStates.plain;
}
