/** The state of a page in its address, so that what is seen can be shared and gone back to. */

/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * The address's search parameters.
 * `get(name, fallback = "")` is a parameter's text, where an empty one counts as left out; `all(name)`
 * are a repeated one's texts.
 * `set({name: value}, {replace})` writes some: a text, a number, texts for a repeated one, or null to leave it out. It
 * makes an entry that Back returns from (with `replace` none), reloads nothing, and tells the listeners of any change.
 * `link({name: value})` is the address that `set` would lead to, for an `href`.
 * `onchange(work)` calls `work()` after each change, also by Back; it returns a function that ends this.
 */
export const params = Object.freeze({
  /** @type {(name: string, fallback?: string) => string} */
  get: (name, fallback = "") => now().get(name) || fallback,

  /** @type {(name: string) => string[]} */
  all: (name) => now().getAll(name),

  /** @type {(values: Values, how?: {replace?: boolean}) => void} */
  set(values, { replace = false } = {}) {
    const next = withValues(values);
    if (next === location.pathname + location.search) {
      return;
    }
    history[replace ? "replaceState" : "pushState"](null, "", next);
    tell();
  },

  /** @type {(values: Values) => string} */
  link: (values) => withValues(values),

  /** @type {(work: () => void) => (() => void)} */
  onchange(work) {
    listeners.add(work);
    return () => listeners.delete(work);
  },
});

/** @typedef {Record<string, string | number | string[] | null | undefined>} Values */

function now() {
  return new URLSearchParams(location.search);
}

function withValues(values) {
  const search = now();
  for (const [name, value] of Object.entries(values)) {
    search.delete(name);
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== "") {
        search.append(name, String(one));
      }
    }
  }
  const text = search.toString();
  return text ? `${location.pathname}?${text}` : location.pathname;
}

function tell() {
  for (const work of [...listeners]) {
    work();
  }
}

addEventListener("popstate", tell);
