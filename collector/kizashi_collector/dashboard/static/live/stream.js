/** The connection to GET /v1/live: opened, lost, opened again. */

import { get } from "../core/core.js";

const AGAIN_S = 10;
const HIDDEN_MS = 60_000;

/** @typedef {"connecting" | "connected" | "reconnecting" | "refused" | "asleep"} State */

/**
 * Follow what is answered. The browser reconnects by itself when the connection breaks; where it was refused, this asks
 * again. A page that nobody has seen for a minute lets go, so that its place is free for others.
 * @param {{batch: (batch: any) => void, state: (state: State, seconds?: number) => void, opened: () => void}} told
 *   `opened` is called each time that it is open: what arrived before is to be asked for
 */
export function follow({ batch, state, opened }) {
  /** @type {EventSource | null} */
  let source = null;
  let again = 0;
  let hiding = 0;

  function open() {
    close();
    state("connecting");
    source = new EventSource("/v1/live");
    source.addEventListener("open", () => {
      state("connected");
      opened();
    });
    source.addEventListener("batch", (message) => batch(JSON.parse(message.data)));
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) {
        refused();
      } else {
        state("reconnecting");
      }
    });
  }

  function close() {
    clearTimeout(again);
    source?.close();
    source = null;
  }

  // The browser does not say why. A session that is over shows at any other question, which reloads the page.
  function refused() {
    close();
    state("refused", AGAIN_S);
    get("/v1/plan").catch(() => {});
    again = setTimeout(open, AGAIN_S * 1000);
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) {
      hiding = setTimeout(() => {
        close();
        state("asleep");
      }, HIDDEN_MS);
    } else if (source === null) {
      open();
    }
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
}
