// The simulator's API; see /openapi.json.

const path = (msgId, what = "") => `/api/messages/${encodeURIComponent(msgId)}${what}`;

const request = (method, url, value) =>
  value === undefined ? send(method, url) : send(method, url, JSON.stringify(value));

/** @throws {Error} with the API's sentence, if it refuses. */
async function send(method, url, body, type = "application/json") {
  const headers = body === undefined ? {} : { "Content-Type": type };
  const response = await fetch(url, { method, headers, body });
  if (!response.ok) {
    const { error: code, detail } = await response.json();
    throw Object.assign(new Error(detail), { code });
  }
  return response;
}

/** A message that does not get to the bot is in the chat, with the reason: that is no problem of the page's. */
const shownInChat = (error) => {
  if (error.code !== "gateway") throw error;
};

export const say = (message) => request("POST", "/api/messages", message).catch(shownInChat);
/** Sends a raw callback again, as a new message unless it was verbatim. */
export const sendRaw = ({ callback, verbatim, msg_id: msgId }) =>
  verbatim === null ? request("POST", "/api/callbacks", callback) : redeliver(msgId);
/** The body that a message would be sent as. */
export const preview = async (message) => (await request("POST", "/api/callbacks/preview", message)).json();
/** Signs and sends a body that may be anything; `isVerbatim`: byte for byte. */
export const sendBody = (body, isVerbatim) => send("POST", `/api/callbacks?verbatim=${Number(isVerbatim)}`, body);
export const redeliver = (msgId) => request("POST", path(msgId, "/redeliver"), {});
export const expire = (msgId) => request("POST", path(msgId, "/expire"), {});
export const setFaults = (faults) => request("PUT", "/api/bad-day", faults);
export const disconnect = (reason) => request("POST", "/api/stream/disconnect", { reason });
export const cut = () => request("POST", "/api/stream/cut", {});
export const setStreamFaults = (faults) => request("PUT", "/api/stream/faults", faults);
export const killInDemo = async (what) => (await request("POST", "/api/demo/kill", { what })).json();
export const stopRedisInDemo = async (seconds) => (await request("POST", "/api/demo/stop-redis", { seconds })).json();
/** Sends a message many times at once, by as many people. */
export const sendMany = (message, count) => request("POST", "/api/bursts", { message, count, senders: count });
/** Gives a file for a message to hold; returns its id. */
export async function giveFile(file) {
  const url = `/api/files?name=${encodeURIComponent(file.name)}`;
  const response = await send("POST", url, file, "application/octet-stream");
  return (await response.json()).id;
}

/** Shows a transcript in the chat, or sends its messages to the bot again. Returns their records. */
export const loadTranscript = async (text, isSent) =>
  (await send("POST", `/api/transcript?send=${Number(isSent)}`, text)).json();
/** Forgets all messages but those that are still worked on; tells how many are kept. */
export const clear = async () => (await request("DELETE", "/api/messages")).json();

export const press = (card, staffId, { action_id: action, params }) =>
  request("POST", `/api/cards/${encodeURIComponent(card.out_track_id)}/press`, {
    staff_id: staffId,
    action_id: action,
    params: params ?? {},
  });
export const setOpenAPIFault = (fault) => request("PUT", "/api/openapi/faults", { fault });
export const asCurl = async (msgId) => (await request("GET", path(msgId, "/curl"))).text();
export const asTest = async (msgId) => (await request("GET", path(msgId, "/test"))).text();

/**
 * Follows everything, from the beginning and over a restart of the server.
 * @param {{beginning(): void, record(record: object): void, card(card: object): void, openapi(state: object): void,
 *   people(people: object[]): void, skills(offered: object): void, robots(robots: string[]): void, faults(faults: object): void,
 *   demo(demo: object): void, stream(stream: object): void, streamFaults(faults: object): void, upToDate(): void, connection(isUp: boolean): void}} listener
 */
export function follow(listener) {
  const source = new EventSource("/api/events");
  const on = (name, react) =>
    source.addEventListener(name, (event) => react(JSON.parse(event.data)));
  on("beginning", () => listener.beginning());
  on("record", (record) => listener.record(record));
  on("card", (card) => listener.card(card));
  on("openapi", (state) => listener.openapi(state));
  on("people", (people) => listener.people(people));
  on("skills", (offered) => listener.skills(offered));
  on("robots", (robots) => listener.robots(robots));
  on("bad_day", (faults) => listener.faults(faults));
  on("demo", (demo) => listener.demo(demo));
  on("stream", (stream) => listener.stream(stream));
  on("stream_faults", (faults) => listener.streamFaults(faults));
  on("revision", () => listener.upToDate());
  source.addEventListener("open", () => listener.connection(true));
  source.addEventListener("error", () => listener.connection(false));
}
