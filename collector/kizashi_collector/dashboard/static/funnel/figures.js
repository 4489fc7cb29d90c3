/** What can be told of a funnel's figures without drawing them. */

/**
 * How many were lost on the way to each step, from the last step before it that may not be skipped.
 * @param {{count: number}[]} figures
 * @param {import("../state.js").Step[]} steps
 * @returns {({from: number, before: number, lost: number, share: number | null, ofEntered: number | null} | null)[]} null
 *   for the first step and for those that may be skipped; `before` came to the step before, of which `share` is a part;
 *   `ofEntered` is of the first
 */
export function losses(figures, steps) {
  let from = 0;
  return figures.map((step, at) => {
    if (at === 0 || steps[at]?.optional) {
      return null;
    }
    const before = figures[from].count;
    const lost = before - step.count;
    const found = { from, before, lost, share: part(lost, before), ofEntered: part(lost, figures[0].count) };
    from = at;
    return found;
  });
}

// A share of fewer is mostly chance.
const ENOUGH = 30;

/**
 * The step before which the greatest share of those who came so far is lost; the first of several. Where fewer than 30
 * came so far it is none, unless nothing is lost anywhere else.
 * @param {ReturnType<typeof losses>} lost
 * @returns {number} −1 where nobody is lost
 */
export function bottleneck(lost) {
  const losing = lost.flatMap((loss, at) => (loss?.lost > 0 ? [{ at, ...loss }] : []));
  const sure = losing.filter((loss) => loss.before >= ENOUGH);
  const [first, ...others] = sure.length > 0 ? sure : losing;
  return others.reduce((worst, loss) => (loss.share > worst.share ? loss : worst), first ?? { at: -1 }).at;
}

const CLEAR_Z = 4;
const CLEAR_POINTS = 0.1;
const CLEAR_PART = 2 / 3;

/**
 * Of the rows of a breakdown, the step which one of them passes far more seldom than all others together: the greatest
 * difference of their step rates that is clear, which is more than 4 standard errors (a pooled two-proportion z-test) and
 * 10 percentage points or a third of the others' rate. Steps that may be skipped are left out.
 * @param {{steps: {count: number}[]}[]} rows
 * @param {import("../state.js").Step[]} steps
 * @returns {{row: number, at: number, from: number, rate: number, others: number} | null} the shares of those who came so
 *   far that go on; null where no difference is clear
 */
export function farBelow(rows, steps) {
  let found = null;
  let from = 0;
  for (let at = 1; at < steps.length; at += 1) {
    if (steps[at].optional) {
      continue;
    }
    const [came, went] = [from, at].map((step) => rows.map((row) => row.steps[step].count));
    const [allCame, allWent] = [came, went].map((counts) => counts.reduce((all, count) => all + count, 0));
    for (const row of rows.keys()) {
      const [rate, others] = [part(went[row], came[row]), part(allWent - went[row], allCame - came[row])];
      const pooled = allWent / allCame;
      const error = Math.sqrt(pooled * (1 - pooled) * (1 / came[row] + 1 / (allCame - came[row])));
      const below = others - rate;
      const clear = rate !== null && others !== null && below > CLEAR_Z * error && (below >= CLEAR_POINTS || rate <= others * CLEAR_PART);
      if (clear && below > (found ? found.others - found.rate : 0)) {
        found = { row, at, from, rate, others };
      }
    }
    from = at;
  }
  return found;
}

export function part(some, all) {
  return all > 0 ? some / all : null;
}

/**
 * The sum of decimals, exactly.
 * @param {(string | number | null)[]} texts
 * @returns {string | null} null where one of them is
 */
export function sum(texts) {
  if (texts.some((text) => text === null || text === undefined)) {
    return null;
  }
  const total = texts.reduce((all, text) => all + micros(String(text)), 0n);
  const size = total < 0n ? -total : total;
  const fraction = String(size % 1_000_000n).padStart(6, "0").replace(/0+$/, "");
  return `${total < 0n ? "-" : ""}${size / 1_000_000n}${fraction ? `.${fraction}` : ""}`;
}

function micros(text) {
  const [, sign, whole, fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? ["", "", "0", ""];
  const size = BigInt(whole + fraction.padEnd(6, "0").slice(0, 6));
  return sign ? -size : size;
}

/**
 * From a histogram's many narrow bins: the time below which a share of them lies, rounded up to a bin's edge.
 * @param {[number, number][]} bins lower edges in seconds, and counts; the last one begins at the greatest time
 * @param {number} share
 * @returns {number | null} seconds
 */
export function within(bins, share) {
  const all = counted(bins);
  let below = 0;
  for (const [at, [edge, count]] of bins.entries()) {
    below += count;
    if (all > 0 && below >= all * share) {
      return bins[at + 1]?.[0] ?? edge;
    }
  }
  return null;
}

/** How many a histogram counts in all. */
export function counted(bins) {
  return bins.reduce((total, [, count]) => total + count, 0);
}

/** What the events of a funnel's or a row's steps brought, exactly; null where that is not known. */
export function brought(row) {
  return sum(row.steps.map((step) => step.value.final));
}
