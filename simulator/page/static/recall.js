// Arrow up in the empty message box brings back what was said before, arrow down what came after it.

/**
 * @param {HTMLTextAreaElement} box
 * @param {() => string[]} said what was said in the open conversation, the oldest first.
 */
export function recallWithArrows(box, said) {
  let recalled = null;

  function step(by) {
    const texts = said().filter((text, at, all) => text && text !== all[at + 1]);
    const from = recalled?.at ?? texts.length;
    const at = Math.min(Math.max(from + by, 0), texts.length);
    recalled = at < texts.length ? { at, text: texts[at] } : null;
    box.value = recalled?.text ?? "";
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  box.addEventListener("keydown", (event) => {
    const isArrow = event.key === "ArrowUp" || event.key === "ArrowDown";
    if (!isArrow || event.isComposing || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    // What was typed or changed is never replaced, and arrows move in it as ever.
    if (recalled?.text !== box.value) recalled = null;
    if (!recalled && (box.value || event.key === "ArrowDown")) return;
    event.preventDefault();
    step(event.key === "ArrowUp" ? -1 : 1);
  });
}
