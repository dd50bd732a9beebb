/** Makes DOM nodes; text always goes in as text, so that no name or message can become markup. */

/** @typedef {Node|string|number|null|undefined|false} Child */

/**
 * @param {string} tag
 * @param {Object<string, any>} [attributes] `onclick` and the like are listeners; null and false are left out
 * @param {...(Child|Child[])} children
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false)
      node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const node = document.getElementById(id);
  if (!node) throw new Error(`the page has no element ${id}`);
  return node;
}

/**
 * Replaces what `place` holds, unless it would read the same: live updates then neither flicker nor move the focus.
 *
 * @param {HTMLElement} place
 * @param {...(Child|Child[])} children
 */
export function show(place, ...children) {
  const next = el("div", {}, ...children);
  if (next.innerHTML === place.innerHTML) return;
  const focused = document.activeElement;
  const key = focused instanceof HTMLElement && place.contains(focused) ? focused.dataset.key : undefined;
  place.replaceChildren(...next.childNodes);
  if (key) /** @type {HTMLElement|null} */ (place.querySelector(`[data-key="${CSS.escape(key)}"]`))?.focus();
}

/** @param {[string, Child][]} pairs @returns {HTMLElement} */
export function definitions(pairs, className = "pairs") {
  return el("dl", { class: className }, pairs.map(([term, value]) => [el("dt", {}, term), el("dd", {}, value)]).flat());
}
