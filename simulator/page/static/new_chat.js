// Opens a group or a single chat that is not in the list yet.

import { byId } from "./dom.js";
import { groupCalled, singleWith } from "./store.js";

/** @param {(conversation: string) => void} enter opens a conversation. */
export function offerNewChat(enter) {
  byId("new-chat").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = byId("new-name").value.trim();
    if (!name) return;
    byId("new-name").value = "";
    byId("new-chat").closest("details").open = false;
    enter(byId("new-kind").value === "group" ? groupCalled(name) : singleWith(name, ""));
  });
}
