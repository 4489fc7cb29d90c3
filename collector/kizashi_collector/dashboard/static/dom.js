/** Elements from values: what comes from outside only ever becomes text. */

const SVG = "http://www.w3.org/2000/svg";
const FORBIDDEN = new Set(["style", "innerhtml", "outerhtml", "srcdoc"]);

/**
 * @typedef {Node | string | number | null | undefined | false | readonly any[]} Child what may stand inside an element:
 *   texts and numbers become text nodes, null, undefined and false nothing, arrays their members
 * @typedef {Record<string, unknown>} Attributes `class`, `on…` with a function, and any other attribute: true is the
 *   empty text, null, undefined and false leave it out. Never `style`, which the content security policy forbids
 */

/**
 * An HTML element.
 * @param {string} tag
 * @param {Attributes | null} [attributes]
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * An SVG element.
 * @param {string} tag
 * @param {Attributes | null} [attributes]
 * @param {...Child} children
 * @returns {SVGElement}
 */
export function s(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * A box that scrolls sideways where its content is wider, and can then be reached and scrolled by keyboard.
 * @param {string} label
 * @param {Node} content
 * @returns {HTMLElement}
 */
export function scroller(label, content) {
  const box = h("div", { class: "scroller", role: "group", "aria-label": label, tabindex: -1 }, content);
  const watch = new ResizeObserver(() => {
    box.tabIndex = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight ? 0 : -1;
  });
  watch.observe(box);
  watch.observe(/** @type {Element} */ (content));
  return box;
}

let made = 0;

/**
 * An id that no other element of this page has.
 * @param {string} word
 * @returns {string}
 */
export function uniqueId(word) {
  made += 1;
  return `${word}-${made}`;
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    attribute(element, name, value);
  }
  for (const child of children.flat(Infinity)) {
    if (child instanceof Node) {
      element.append(child);
    } else if (child !== null && child !== undefined && child !== false) {
      element.append(String(child));
    }
  }
  return element;
}

function attribute(element, name, value) {
  if (FORBIDDEN.has(name.toLowerCase())) {
    throw new TypeError(`<${element.localName}>: ${name} is not for here; use a class, or style.setProperty`);
  }
  if (name.toLowerCase().startsWith("on")) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2).toLowerCase(), value);
    } else if (value !== null && value !== undefined && value !== false) {
      throw new TypeError(`<${element.localName}>: ${name} is ${typeof value}; give a function`);
    }
    return;
  }
  if (value === null || value === undefined || value === false) {
    return;
  }
  element.setAttribute(name, value === true ? "" : String(value));
}
