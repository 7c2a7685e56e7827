/**
 * The connection to /leaderboard/stream. Says what came (onBoard, onBeat, onOwn) and how the connection is (onState: connecting, live,
 * reconnecting). EventSource alone retries in step with every other page and never notices a line that went silent, so
 * each loss is handled here: close, wait a jittered and growing while, open anew; the server sends its state first.
 */

import { retryDelayMs } from "./format.js";

/** The server sends something at least every 10 s: after two missing beats the line is taken for dead. */
const SILENCE_MAX_MS = 25_000;
/** The server sends the board as soon as it accepts: no first event within this time is a failed attempt. */
const FIRST_EVENT_MAX_MS = 8_000;

export class BoardStream {
  #onBoard;
  #onBeat;
  #onState;
  #onOwn;
  #user = "";
  #period = null;
  #source = null;
  #attempt = 0;
  #retryTimer = 0;
  #watchdog = 0;

  constructor({ onBoard, onBeat, onState, onOwn }) {
    this.#onBoard = onBoard;
    this.#onBeat = onBeat;
    this.#onState = onState;
    this.#onOwn = onOwn;
  }

  /** Follow this period, and this user if any, from now on; any earlier connection is dropped. */
  open(period, user = "") {
    this.#period = period;
    this.#user = user;
    this.#attempt = 0;
    this.#onState("connecting");
    this.#connect();
  }

  /** Be told of this user's place from now on, without a break that the reader would see. */
  follow(user) {
    this.#user = user;
    if (this.#source !== null) this.#connect();
  }

  close() {
    this.#period = null;
    this.#disconnect();
  }

  /** The network or the reader came back: do not sit out the rest of a wait. */
  retryNow() {
    if (this.#retryTimer !== 0) this.#connect();
  }

  #connect() {
    this.#disconnect();
    const period = this.#period;
    const own = this.#user === "" ? "" : `&user=${encodeURIComponent(this.#user)}`;
    const source = new EventSource(`/leaderboard/stream?period=${encodeURIComponent(period)}${own}`);
    this.#source = source;
    source.addEventListener("board", (event) => {
      if (this.#source !== source) return;
      this.#heard();
      const board = parseBoard(event.data);
      if (board !== null) this.#onBoard(period, board);
    });
    source.addEventListener("heartbeat", (event) => {
      if (this.#source !== source) return;
      this.#heard();
      const beat = parseObject(event.data);
      if (Number.isFinite(beat?.version)) this.#onBeat(period, beat);
    });
    source.addEventListener("you", (event) => {
      if (this.#source !== source) return;
      this.#heard();
      const own = parseObject(event.data);
      if (own?.user_id === this.#user) this.#onOwn(period, own);
    });
    source.addEventListener("error", () => this.#source === source && this.#lost());
    this.#watchdog = setTimeout(() => this.#lost(), FIRST_EVENT_MAX_MS);
  }

  #heard() {
    this.#attempt = 0;
    this.#onState("live");
    clearTimeout(this.#watchdog);
    // A silent line is opened anew at once; only when that fails too is the reader told.
    this.#watchdog = setTimeout(() => this.#connect(), SILENCE_MAX_MS);
  }

  #lost() {
    this.#disconnect();
    this.#onState("reconnecting");
    this.#retryTimer = setTimeout(() => this.#connect(), retryDelayMs(this.#attempt, Math.random()));
    this.#attempt += 1;
  }

  #disconnect() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#watchdog);
    this.#retryTimer = 0;
    this.#source?.close();
    this.#source = null;
  }
}

/** The board in this text, or null: a page must survive a server that is newer than itself. */
export function parseBoard(text) {
  const board = parseObject(text);
  return Number.isFinite(board?.version) && Array.isArray(board.entries) ? board : null;
}

function parseObject(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
