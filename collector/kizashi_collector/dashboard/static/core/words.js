/** The page's words, in the language that the frame was sent in. */

/** @type {"en" | "ja"} the language of the page */
export const lang = document.documentElement.lang.toLowerCase().startsWith("ja") ? "ja" : "en";

/** @type {Map<string, string>} */
const known = new Map();

/**
 * Add words: `say({en: {lost: "{n} lost"}, ja: {lost: "{n}人が離脱"}})`. Throws where a key stands in one language alone
 * or was given before with other words.
 * @param {{en: Record<string, string>, ja: Record<string, string>}} words
 */
export function say(words) {
  for (const [one, other] of [
    ["en", "ja"],
    ["ja", "en"],
  ]) {
    const missing = Object.keys(words[one]).filter((key) => !(key in words[other]));
    if (missing.length > 0) {
      throw new Error(`words in ${one} but not in ${other}: ${missing.join(", ")}`);
    }
  }
  for (const [key, text] of Object.entries(words[lang])) {
    if (known.has(key) && known.get(key) !== text) {
      throw new Error(`the words of ${key} were given before: ${known.get(key)}`);
    }
    known.set(key, text);
  }
}

/**
 * The words of a key; `{name}` in them is replaced by `values.name`. A key without words is shown as it is and told to
 * the console; a browser that is driven by a test throws.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const text = known.get(key);
  if (text === undefined) {
    if (navigator.webdriver) {
      throw new Error(`no words for ${key}`);
    }
    console.error(`no words for ${key}`);
    return key;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
