/** Tables of hundreds of rows: the browser lays out those in view, and finds, reads and prints all of them. */

const LONG = 60;
const WIDEST = 2;
const ROLES = { TH: "rowheader", TD: "cell" };
/** @type {WeakMap<Element, number[]>} how long the texts of a row's cells are */
const lengths = new WeakMap();

/**
 * Show rows in a table that stands in a box. From some sixty rows on the table's columns get the widths that the
 * longest texts need, and its rows are laid out one by one, as they are scrolled to; a table of the browser's own would
 * be laid out as a whole, whatever is seen of it.
 * @param {HTMLElement} box
 * @param {HTMLElement[]} rows all with as many cells as the head
 * @returns {void}
 */
export function fill(box, rows) {
  const table = /** @type {HTMLTableElement} */ (box.querySelector("table"));
  table.tBodies[0].replaceChildren(...rows);
  fit(box);
}

/**
 * Give the columns their widths, in a box that is as wide as it will be. Where nothing is seen of it, the table is left
 * as the browser has it.
 * @param {HTMLElement} box
 * @returns {void}
 */
export function fit(box) {
  const table = /** @type {HTMLTableElement} */ (box.querySelector("table"));
  const rows = [...table.tBodies[0].children];
  const widths = rows.length < LONG ? [] : measured(box, table, widest(rows));
  const least = widths.reduce((sum, width) => sum + width, 0);
  table.classList.toggle("long", least > 0);
  if (least === 0) {
    return;
  }
  table.style.setProperty("--least", `${least}px`);
  table.style.setProperty("--columns", widths.map((width) => `minmax(${width}px, ${width}fr)`).join(" "));
  named(table, rows);
}

// Of another table beside, so that what has the focus in this one keeps it.
function measured(box, table, rows) {
  const other = /** @type {HTMLTableElement} */ (table.cloneNode(false));
  other.classList.remove("long");
  const body = document.createElement("tbody");
  body.append(...rows.map((row) => row.cloneNode(true)));
  other.append(table.tHead.cloneNode(true), body);
  const room = document.createElement("div");
  room.className = "measure";
  room.append(other);
  box.append(room);
  const widths = [...other.tHead.rows[0].cells].map((cell) => Math.ceil(cell.getBoundingClientRect().width));
  room.remove();
  return widths;
}

// The rows that have the longest texts of a column: which of them is the widest, the browser finds out.
function widest(rows) {
  const found = new Set();
  for (const at of [...rows[0].children].keys()) {
    const most = [];
    for (const row of rows) {
      const length = lengthsOf(row)[at];
      if (most.length < WIDEST || length > most.at(-1).length) {
        most.push({ row, length });
        most.sort((one, other) => other.length - one.length);
        most.length = Math.min(most.length, WIDEST);
      }
    }
    most.forEach(({ row }) => found.add(row));
  }
  return [...found];
}

function lengthsOf(row) {
  if (!lengths.has(row)) {
    lengths.set(
      row,
      [...row.children].map((cell) => lengthOf(cell.textContent)),
    );
  }
  return lengths.get(row);
}

// Kanji and kana are twice as wide as letters.
function lengthOf(text) {
  return text.length + (text.match(/[\u2e80-\uffef]/g)?.length ?? 0);
}

// What is laid out as something else than a table forgets in some browsers that it is one.
function named(table, rows) {
  if (table.getAttribute("role") !== "table") {
    table.setAttribute("role", "table");
    for (const group of [table.tHead, table.tBodies[0]]) {
      group.setAttribute("role", "rowgroup");
    }
    for (const head of table.tHead.rows[0].cells) {
      head.setAttribute("role", "columnheader");
    }
    table.tHead.rows[0].setAttribute("role", "row");
  }
  for (const row of rows) {
    if (!row.hasAttribute("role")) {
      row.setAttribute("role", "row");
      for (const cell of row.children) {
        cell.setAttribute("role", ROLES[cell.tagName]);
      }
    }
  }
}
