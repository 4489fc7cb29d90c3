/** How far a window has come towards a target of the plan. */

/**
 * Whole percent, rounded down: a target never reads as reached before it is. Counted in millionths, as amounts are: in
 * binary fractions 0.29 of 1 is less than 29%.
 * @param {number | string} now
 * @param {number | string} target more than 0
 * @returns {number}
 */
export function percentOf(now, target) {
  return Number((millionths(now) * 100n) / millionths(target));
}

function millionths(amount) {
  const [whole, part = ""] = String(amount).split(".");
  return BigInt(whole + part.slice(0, 6).padEnd(6, "0"));
}
