// Builds elements. What users wrote goes through text nodes only, so it never becomes HTML.

/**
 * @param {string} tag
 * @param {Record<string, unknown>} properties `on…` are listeners, `class` and the rest attributes;
 *   null, undefined and false leave an attribute out, true writes it empty.
 * @param {...(Node | string | null | undefined)} children
 */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Replaces what is in a node, and gives the focus back to the control that had it. */
export function refill(node, ...children) {
  const key = node.contains(document.activeElement) && document.activeElement.dataset.key;
  node.replaceChildren(...children.filter(Boolean));
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

export const byId = (id) => document.getElementById(id);
