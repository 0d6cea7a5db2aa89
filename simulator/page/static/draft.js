// What is being written: the content of a message to the bot, as a value; see `UserMessage` in /openapi.json.

const PICTURE = /\.(png|jpe?g|gif|bmp|webp)$/i;
const VIDEO = /\.(mp4|mov)$/i;
const VOICE = /\.(amr|mp3|wav|m4a|ogg)$/i;
const WORDLESS = ["picture", "video"];

/** Nothing yet. The words are in the text box; `upload` is a file that the simulator does not have yet. */
export const EMPTY = {
  kind: "text",
  runs: [],
  pictures: 0,
  mentioned: [],
  at_all: false,
  quoted: null,
  file: "",
  name: "",
  upload: null,
};
/** What stays from one message to the next. */
export const USUAL_SENDER = { client: "Mac", external: false, mention: true };

export const hasContent = (draft) =>
  draft.kind !== "text" || draft.pictures > 0 || draft.runs.length > 0 || draft.quoted !== null;

/** Adds a file that was chosen, as what its name says. */
export function withFile(draft, upload) {
  const held = { ...draft, upload, file: "", name: upload.name };
  if (PICTURE.test(upload.name)) return { ...held, kind: pictureKind(draft), pictures: 1 };
  const kind = VIDEO.test(upload.name) ? "video" : VOICE.test(upload.name) ? "audio" : "file";
  return { ...held, ...EMPTY_TEXT, kind };
}

export const withKind = (draft, kind) => ({ ...draft, ...EMPTY_TEXT, ...NO_FILE, kind });
export const withMentioned = (draft, name, isHidden) => ({
  ...draft,
  mentioned: [
    ...draft.mentioned.filter((each) => each.name !== name),
    { name, staff_id: isHidden ? "" : null },
  ],
});
export const withEveryone = (draft) => ({ ...draft, at_all: true });
export const withRuns = (draft, runs) => ({ ...draft, kind: "richText", runs });
export const withoutRuns = (draft) => ({ ...draft, kind: "text", runs: [] });
export const withoutFile = (draft) => ({ ...draft, ...NO_FILE, kind: pictureKind(draft), pictures: 0 });

const NO_FILE = { file: "", name: "", upload: null };
const EMPTY_TEXT = { runs: [], pictures: 0 };
/** A picture goes with rich text, and with no other kind. */
const pictureKind = ({ kind }) => (kind === "richText" ? kind : "text");

/** Whether the words in the text box are part of the message. */
export const takesWords = ({ kind, runs, name }) =>
  !WORDLESS.includes(kind) && !runs.length && !(kind === "file" && name);

/** The content of the message: of a draft, and the words in the text box. */
export function contentOf(draft, words) {
  const { name, upload: _, ...fields } = draft;
  const kind = kindOf(draft, words);
  const text = !takesWords({ ...draft, kind }) ? "" : words;
  return {
    ...fields,
    kind,
    text: kind === "file" && name ? name : text,
    pictures: kind === "richText" ? draft.pictures : 0,
  };
}

function kindOf({ kind, pictures }, words) {
  if (kind !== "text" || !pictures) return kind;
  return words ? "richText" : "picture";
}

/** The draft of a message that was sent, to be changed: what it held, its sender, and the words. */
export function draftOf(message) {
  const { text, kind, file } = message;
  const pick = (fields) => Object.fromEntries(Object.keys(fields).map((name) => [name, message[name] ?? fields[name]]));
  const isFile = kind === "file" && file;
  return {
    content: {
      ...pick(EMPTY),
      ...(kind === "picture" ? { kind: "text", pictures: 1 } : {}),
      name: isFile ? text : "",
    },
    sender: pick(USUAL_SENDER),
    words: isFile ? "" : text,
  };
}
