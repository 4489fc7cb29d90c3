/** Tables that can be sorted, filtered and taken along as CSV. */

import { params } from "./address.js";
import { download } from "./csv.js";
import { breakable, h, scroller, uniqueId } from "./dom.js";
import { number } from "./format.js";
import { fill, fit } from "./long_table.js";
import { lang, say, t } from "./words.js";

say({
  en: {
    "table.filter": "Filter",
    "table.csv": "Download CSV",
    "table.count": "{n} rows",
    "table.count_one": "1 row",
    "table.found": "{n} of {all} rows",
    "table.all": "Show all {n} rows",
    "table.none": "No row fits this filter.",
    "table.empty": "Nothing here yet.",
  },
  ja: {
    "table.filter": "絞り込み",
    "table.csv": "CSVをダウンロード",
    "table.count": "{n}件",
    "table.count_one": "1件",
    "table.found": "{all}件中{n}件",
    "table.all": "{n}件すべてを表示",
    "table.none": "条件に合う行がありません。",
    "table.empty": "まだデータがありません。",
  },
});

const AT_ONCE = 200;
const collator = new Intl.Collator(lang, { numeric: true });

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} key names the column, in the address too
 * @property {string} head its words
 * @property {(row: Row) => Node | string | number | null} cell
 * @property {(row: Row) => number | string | null} [sort] makes it sortable; null, "" and NaN come last either way
 * @property {boolean} [numeric] set to the right; sorted the greatest first
 * @property {(row: Row) => string | number | null} [csv] what the CSV has in place of the cell's text
 * @property {{head: string, of: (row: Row) => string | number | null}[]} [parts] the columns that the CSV has in its place
 * @property {string} [hint] a sentence about the column, shown with its head
 */

/**
 * A table. The first column heads its row; names there break after their underscores.
 * @template Row
 * @param {{caption: string, columns: Column<Row>[], rows: Row[], csv?: string, filter?: (row: Row) => string,
 *   empty?: import("./dom.js").Child, sort?: {key: string, down?: boolean}, state?: string}} of `csv` is the name of the
 *   file; `filter` the text that the filter field searches; `empty` stands in place of no rows; `sort` is the order at
 *   first, which is else that of the rows; with `state` the order and the filter stand in the address, as `<state>sort`
 *   (`key` or `-key`, greatest first) and `<state>q`
 * @returns {HTMLElement & {update(rows: Row[]): void}} `update` shows other rows and keeps order, filter and focus
 */
export function table({ caption, columns, rows, csv, filter, empty, sort, state }) {
  const start = state === undefined ? "" : params.get(`${state}sort`);
  let order = start ? { key: start.replace(/^-/, ""), down: start.startsWith("-") } : (sort ?? null);
  let wanted = state === undefined ? "" : params.get(`${state}q`);
  let whole = false;
  /** @type {Map<Row, HTMLElement>} */
  let made = new Map();
  let seen = rows;

  const body = h("tbody");
  const heads = columns.map(head);
  const count = h("p", { class: "table-count", role: "status" });
  const more = h("button", { type: "button", class: "table-more", onclick: showAll });
  const nothing = h("div", { class: "empty" });
  const box = scroller(
    caption,
    h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, h("tr", {}, heads)), body),
  );
  const field = filter ? filterField() : null;
  const taken = csv
    ? h("button", { type: "button", class: "table-csv", onclick: () => download(csv, lines()) }, t("table.csv"))
    : null;
  const bar = h("div", { class: "table-bar" }, field, count, taken);
  const element = h("div", { class: "table" }, bar, box, nothing, more);
  if (state !== undefined) {
    let seenBefore = false;
    const end = params.onchange(() => {
      if (seenBefore && !element.isConnected) {
        end(); // the page has thrown this table away
        return;
      }
      seenBefore = element.isConnected;
      follow();
    });
  }
  let width = 0;
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width !== width) {
      width = contentRect.width;
      requestAnimationFrame(() => fit(box));
    }
  }).observe(box);
  draw();
  return Object.assign(element, { update });

  function update(next) {
    rows = next;
    made = new Map();
    draw();
  }

  function head(column) {
    const words = [h("span", {}, column.head)];
    const label = column.sort
      ? h("button", { type: "button", class: "sort", title: column.hint, onclick: () => turn(column) }, words)
      : h("span", { title: column.hint }, words);
    return h("th", { scope: "col", class: column.numeric && "numeric", "data-key": column.key }, label);
  }

  function turn(column) {
    const same = order?.key === column.key;
    order = { key: column.key, down: same ? !order.down : Boolean(column.numeric) };
    write({ sort: `${order.down ? "-" : ""}${order.key}` });
    draw();
  }

  function filterField() {
    const id = uniqueId("filter");
    let due = 0;
    const input = /** @type {HTMLInputElement} */ (
      h("input", {
        id,
        type: "search",
        value: wanted,
        autocomplete: "off",
        spellcheck: "false",
        oninput: () => {
          cancelAnimationFrame(due);
          due = requestAnimationFrame(() => {
            wanted = input.value;
            write({ q: wanted });
            draw();
          });
        },
      })
    );
    return h("div", { class: "field table-filter" }, h("label", { for: id }, t("table.filter")), input);
  }

  function write(values) {
    if (state !== undefined) {
      const named = Object.entries(values).map(([name, value]) => [state + name, value]);
      params.set(Object.fromEntries(named), { replace: true });
    }
  }

  function follow() {
    const [nextSort, nextWanted] = [params.get(`${state}sort`), params.get(`${state}q`)];
    const nowSort = order ? `${order.down ? "-" : ""}${order.key}` : "";
    if (nextWanted !== wanted || (nextSort !== "" && nextSort !== nowSort)) {
      order = nextSort ? { key: nextSort.replace(/^-/, ""), down: nextSort.startsWith("-") } : (sort ?? null);
      wanted = nextWanted;
      if (field) {
        field.querySelector("input").value = wanted;
      }
      draw();
    }
  }

  function showAll() {
    whole = true;
    const next = body.children.length;
    draw();
    // The button is gone: go on where the rows went on.
    /** @type {HTMLElement | null | undefined} */ (body.children[next]?.querySelector("a, button"))?.focus();
    if (document.activeElement === document.body || document.activeElement === null) {
      box.focus({ preventScroll: true });
    }
  }

  function draw() {
    seen = ordered(found());
    const some = whole ? seen : seen.slice(0, AT_ONCE);
    for (const [at, column] of columns.entries()) {
      if (order?.key === column.key) {
        heads[at].setAttribute("aria-sort", order.down ? "descending" : "ascending");
      } else {
        heads[at].removeAttribute("aria-sort");
      }
    }
    const none = seen.length === 0;
    box.hidden = none;
    fill(box, some.map(rowOf));
    nothing.hidden = !none;
    nothing.replaceChildren(
      ...h("div", null, rows.length > 0 ? t("table.none") : (empty ?? t("table.empty"))).childNodes,
    );
    more.hidden = some.length === seen.length;
    more.textContent = t("table.all", { n: number(seen.length) });
    bar.hidden = rows.length === 0;
    const words = counted();
    if (count.textContent !== words) {
      count.textContent = words;
    }
  }

  function counted() {
    if (seen.length < rows.length) {
      return t("table.found", { n: number(seen.length), all: number(rows.length) });
    }
    return rows.length === 1 ? t("table.count_one") : t("table.count", { n: number(rows.length) });
  }

  function found() {
    const words = plain(wanted).split(/\s+/).filter(Boolean);
    if (!filter || words.length === 0) {
      return rows;
    }
    return rows.filter((row) => {
      const text = plain(filter(row));
      return words.every((word) => text.includes(word));
    });
  }

  function ordered(some) {
    const column = columns.find((one) => one.key === order?.key && one.sort);
    if (!column) {
      return some;
    }
    const sign = order.down ? -1 : 1;
    return some
      .map((row) => ({ row, by: column.sort(row) }))
      .sort((one, other) => last(one.by) - last(other.by) || (last(one.by) ? 0 : sign * compared(one.by, other.by)))
      .map(({ row }) => row);
  }

  function rowOf(row) {
    if (!made.has(row)) {
      const cells = columns.map((column, at) =>
        at === 0
          ? h("th", { scope: "row" }, named(column.cell(row)))
          : h("td", { class: column.numeric && "numeric" }, column.cell(row)),
      );
      made.set(row, h("tr", {}, cells));
    }
    return made.get(row);
  }

  function lines() {
    const parts = columns.flatMap((column) => column.parts ?? [undivided(column)]);
    return [parts.map((part) => part.head), ...seen.map((row) => parts.map((part) => part.of(row)))];
  }
}

function named(cell) {
  return typeof cell === "string" ? breakable(cell) : cell;
}

function undivided({ head, csv, cell }) {
  return { head, of: csv ?? ((row) => textOf(cell(row))) };
}

// A dash is for eyes; a spreadsheet wants an empty cell.
function textOf(cell) {
  const text = h("div", null, cell).textContent;
  return text === "–" ? "" : text;
}

function plain(text) {
  return String(text ?? "")
    .normalize("NFKC")
    .toLowerCase();
}

function last(by) {
  return by === null || by === undefined || by === "" || Number.isNaN(by) ? 1 : 0;
}

function compared(one, other) {
  if (typeof one === "number" && typeof other === "number") {
    return one - other;
  }
  return collator.compare(String(one), String(other));
}
