/** A funnel as it is written in a plan. */

/**
 * The funnel as a section of the plan's file.
 * @param {any} request as `requestOf` makes it
 * @returns {string} TOML
 */
export function planText(request) {
  const lines = Object.entries(request).map(([key, value]) =>
    key === "steps" ? `steps = [\n${value.map((step) => `  ${toml(step)},\n`).join("")}]` : `${key} = ${toml(value)}`,
  );
  return `[funnels.my_funnel]\n${lines.join("\n")}\n`;
}

function toml(value) {
  if (Array.isArray(value)) {
    return `[${value.map(toml).join(", ")}]`;
  }
  if (value !== null && typeof value === "object") {
    const pairs = Object.entries(value).map(([key, one]) => `${/^\w+$/.test(key) ? key : toml(key)} = ${toml(one)}`);
    return `{ ${pairs.join(", ")} }`;
  }
  return JSON.stringify(value).replaceAll("\x7f", "\\u007f");
}
