/** Rows as a CSV file that spreadsheets read as it was meant, and run nothing of. */

import { h } from "./dom.js";

const FORMULA = /^[=+\-@\t\r\n]/;
const NUMERAL = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/**
 * Have the browser keep rows as a file.
 * @param {string} name of the file; .csv is added where it is missing
 * @param {unknown[][]} rows the first is the head; null and undefined are empty cells
 */
export function download(name, rows) {
  keep(name, `${rows.map((row) => row.map(csvCell).join(",")).join("\r\n")}\r\n`);
}

/**
 * Have the browser keep pages of CSV, as the collector writes them, as one file.
 * @param {string} name of the file; .csv is added where it is missing
 * @param {string[]} pages each with the same head, which is a line of names
 */
export function downloadPages(name, pages) {
  const [first = "", ...others] = pages;
  keep(name, first + others.map((page) => page.slice(page.indexOf("\n") + 1)).join(""));
}

function keep(name, text) {
  // The mark in front tells Excel that this is UTF-8.
  const address = URL.createObjectURL(new Blob(["\uFEFF", text], { type: "text/csv;charset=utf-8" }));
  const link = h("a", { href: address, download: name.endsWith(".csv") ? name : `${name}.csv`, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function csvCell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  // What a spreadsheet would run as a formula becomes text; a plain negative number stays one.
  const safe = FORMULA.test(text) && !NUMERAL.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
