// The page's address: `#/group`, `#/single/张三`, and with a message or card `…/message/<id>`.

const MESSAGE = "message";

/** The part of the address after the page's own, for a conversation and what is chosen in it. */
export function addressOf(conversation, id = null) {
  const path = id === null ? conversation.split("/") : [...conversation.split("/"), MESSAGE, id];
  return `#/${path.map(encodeURIComponent).join("/")}`;
}

/** @returns {{conversation: string, id: string | null}} */
export function readAddress(hash) {
  const path = hash.replace(/^#\/?/, "").split("/").map(decoded);
  const chosen = path.length > 2 && path.at(-2) === MESSAGE;
  return {
    conversation: (chosen ? path.slice(0, -2) : path).join("/"),
    id: chosen ? path.at(-1) : null,
  };
}

/** An address may have been typed by hand. */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
