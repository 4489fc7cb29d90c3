/** How many events came in the last minute, each counted once however it is told. */

const MINUTE_MS = 60_000;

/**
 * @returns {{live(items: Came[], left: number): void, fetched(items: Came[]): void, count(): number}} `live` takes a
 *   message of the stream, with how many it left out; `fetched` the newest events as they were asked for
 *
 * @typedef {{key: string, at: number}} Came an event's key, the same wherever it is told unless it
 *   begins with #, and when it was received, in ms
 */
export function lastMinute() {
  /** @type {Map<string, number>} */
  const came = new Map();
  /** @type {{at: number, n: number}[]} those of which the stream told nothing but how many */
  let untold = [];
  let [heard, asked] = [Infinity, false];
  return {
    live(items, left) {
      heard = Math.min(heard, ...items.map((item) => item.at));
      take(items);
      if (left > 0) {
        untold.push({ at: Date.now(), n: left });
      }
    },
    fetched(items) {
      forget();
      // What was received since the stream left some out may be one of those.
      const since = untold[0]?.at ?? Infinity;
      const known = (item) => item.at >= since || (item.key.startsWith("#") && (asked || item.at >= heard));
      take(items.filter((item) => !known(item)));
      asked = true;
    },
    count() {
      forget();
      return untold.reduce((sum, { n }) => sum + n, came.size);
    },
  };

  function take(items) {
    for (const { key, at } of items) {
      came.set(key, at);
    }
  }

  function forget() {
    const since = Date.now() - MINUTE_MS;
    for (const [key, at] of came) {
      if (at < since) {
        came.delete(key);
      }
    }
    untold = untold.filter(({ at }) => at >= since);
  }
}
