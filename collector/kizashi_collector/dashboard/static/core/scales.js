/** From values to places in a picture. */

/**
 * Whether something is a number that can be drawn.
 * @param {unknown} x
 * @returns {x is number}
 */
export function finite(x) {
  return typeof x === "number" && Number.isFinite(x);
}

/**
 * Where a value between `low` and `high` lies on a length; what is beyond lies at its end.
 * @param {number} low
 * @param {number} high
 * @param {number} length
 * @returns {(value: number) => number}
 */
export function scale(low, high, length) {
  return (value) => round(((Math.min(high, Math.max(low, value)) - low) / (high - low || 1)) * length);
}

/**
 * To a hundredth, which is what a picture needs.
 * @param {number} x
 * @returns {number}
 */
export function round(x) {
  return Math.round(x * 100) / 100;
}

/**
 * Two to six round numbers around what is drawn, 1, 2 or 5 times a power of ten apart.
 * @param {number} low
 * @param {number} high
 * @returns {number[]}
 */
export function marks(low, high) {
  const span = high - low || 1;
  const rough = span / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? 10 * power;
  const first = Math.floor(low / step);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}
