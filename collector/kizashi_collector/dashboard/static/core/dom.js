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

/**
 * A name as it is shown: a narrow column breaks it after its underscores. What is copied, searched or taken along is
 * the name itself.
 * @param {string} name
 * @returns {Child}
 */
export function breakable(name) {
  const parts = String(name).match(/[^_]*_+|[^_]+$/g) ?? [];
  return parts.flatMap((part, at) => (at === 0 ? [part] : [document.createElement("wbr"), part]));
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

// Tables make ten thousand elements at once, so nothing here makes lists of lists.
function filled(element, attributes, children) {
  for (const name in attributes) {
    attribute(element, name, attributes[name]);
  }
  fillIn(element, children);
  return element;
}

function fillIn(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) {
      fillIn(element, child);
    } else if (child instanceof Node) {
      element.appendChild(child);
    } else if (child !== null && child !== undefined && child !== false) {
      element.appendChild(document.createTextNode(child));
    }
  }
}

function attribute(element, name, value) {
  const plain = name.toLowerCase();
  if (FORBIDDEN.has(plain)) {
    throw new TypeError(`<${element.localName}>: ${name} is not for here; use a class, or style.setProperty`);
  }
  if (value === null || value === undefined || value === false) {
    return;
  }
  if (!plain.startsWith("on")) {
    element.setAttribute(name, value === true ? "" : value);
  } else if (typeof value === "function") {
    element.addEventListener(plain.slice(2), value);
  } else {
    throw new TypeError(`<${element.localName}>: ${name} is ${typeof value}; give a function`);
  }
}
