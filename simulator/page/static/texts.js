// The page's texts, in the language that was chosen.

import en from "./texts.en.js";
import zh from "./texts.zh.js";

const languages = { zh, en };
const wanted = () =>
  new URLSearchParams(location.search).get("lang") ??
  localStorage.getItem("language") ??
  navigator.language;

export let language = wanted().toLowerCase().startsWith("zh") ? "zh" : "en";
export let texts = languages[language];

/** Switches to the other language, and writes its texts into the page's HTML. */
export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  texts = languages[language];
  localStorage.setItem("language", language);
  writeTexts();
}

export function writeTexts() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = `${texts.brand} · ${texts.simulated}`;
  for (const node of document.querySelectorAll("[data-text]")) {
    node.textContent = texts[node.dataset.text];
  }
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", texts[node.dataset.label]);
  }
  for (const node of document.querySelectorAll("[data-placeholder]")) {
    node.placeholder = texts[node.dataset.placeholder];
  }
}
