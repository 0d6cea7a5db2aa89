// Shapes that people's clients send and bots have got wrong: a message for the box, or a callback's body for the editor
// where no message makes the shape. They are named in the texts.

const LISI = { name: "李四", staff_id: null };

export const PRESETS = [
  {
    name: "harmony",
    message: (bot) => ({ kind: "richText", text: "", runs: [`@${bot}`, "天气 北京"], client: "HarmonyOS" }),
  },
  {
    name: "bold",
    message: (bot) => ({
      kind: "richText",
      text: "",
      runs: [`@${bot}`, "查", "@李四", "的绩", "效"],
      mentioned: [LISI],
    }),
  },
  { name: "pictureFirst", message: () => ({ kind: "richText", text: "帮助", pictures: 1, client: "Win" }) },
  { name: "blanks", message: (bot) => ({ kind: "text", text: `\u2005\u00a0@${bot}\u2005天气\u00a0北京\u200b`, client: "iOS" }) },
  { name: "glued", message: (bot) => ({ kind: "text", text: `帮助@${bot}` }) },
  { name: "hidden", message: () => ({ kind: "text", text: "的绩效", mentioned: [{ name: "李四", staff_id: "" }] }) },
  { name: "bareQuote", message: () => ({ kind: "text", text: "", quoted: { text: "天气 北京", kind: "text", sender: "李四" } }) },
  {
    name: "cardQuote",
    message: () => ({ kind: "text", text: "再来一次", quoted: { text: "", kind: "interactiveCard", sender: null } }),
  },
  { name: "external", message: () => ({ kind: "text", text: "我的绩效", sender: "陈外", external: true }) },
  { name: "items", body: (base) => ({ ...rich(base), content: { richText: [{ type: "text", content: "天气 北京" }] } }) },
  {
    name: "stringContent",
    body: (base) => ({ ...rich(base), content: JSON.stringify({ richText: [{ text: "天气 北京" }] }) }),
  },
  {
    name: "emoji",
    body: (base) => ({
      ...rich(base),
      content: { richText: [{ text: "天气" }, { type: "emoji", content: "[微笑]" }, { text: "北京" }] },
    }),
  },
  {
    name: "voice",
    body: (base) => ({ ...rich(base), msgtype: "voice", content: { downloadCode: "made-up", recognition: "天气北京" } }),
  },
  { name: "unknownKind", body: (base) => ({ ...rich(base), msgtype: "unknownMsgType", content: { unknownMsgType: "sticker" } }) },
  { name: "outgoing", body: outgoing },
];

/** A body without its words. */
function rich({ text: _, ...base }) {
  return { ...base, msgtype: "richText" };
}

/** A robot of 2021 names neither itself nor its user's userid. */
function outgoing({ robotCode: _, senderStaffId: __, senderPlatform: ___, ...base }) {
  return { ...base, msgtype: "text", text: { content: "  帮助" } };
}
