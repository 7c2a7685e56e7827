/**
 * The reader's own place: rank, score, points to the next place, and the neighbours. Which user that is, the reader says once;
 * the browser remembers it. The stream tells of changes; neighbours are read again at most every NEIGHBOURS_GAP_MS.
 */

import { formatScore } from "./format.js";
import { readJson, showPlainRows } from "./plain.js";

const NEIGHBOURS_GAP_MS = 2_000;
const NEIGHBOURS = 2;
const STORED = "shardboard.user";

const byId = (id) => document.getElementById(id);

export class OwnPlace {
  #onUser;
  #period = "";
  #user = "";
  #reading = new AbortController();
  #timer = 0;
  #readAtMs = -Infinity;

  /** `onUser` is called when the reader names another user. */
  constructor(onUser) {
    this.#onUser = onUser;
    byId("own-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.name(byId("own-user").value.trim());
    });
  }

  get user() {
    return this.#user;
  }

  /** The user from the address, or the one remembered. */
  restore() {
    const asked = new URLSearchParams(location.search).get("user");
    this.#user = asked ?? remembered();
    byId("own-user").value = this.#user;
  }

  /** The reader is this user from now on. */
  name(user) {
    if (user === this.#user) return;
    this.#user = user;
    byId("own-user").value = user;
    remember(user);
    this.#onUser(user);
  }

  /** Another board, or another user. Of a live board the stream tells first whether the user is on it at all. */
  choose(period, { isLive }) {
    this.#period = period;
    this.#readAtMs = -Infinity;
    this.#clear(this.#user === "" ? "Name yourself to see your place." : "Looking for your place");
    if (this.#user !== "" && !isLive) this.#readSoon();
  }

  /** The stream told of a change. */
  told(own) {
    this.#say(own.rank === null ? null : own);
    if (own.rank !== null) this.#readSoon();
    else byId("own-table").hidden = true;
  }

  #say(place) {
    if (place === null) {
      byId("own-text").textContent = "You are not on this board yet.";
      return;
    }
    const next = place.to_next === null ? "Nobody is above you." : `${formatScore(place.to_next)} points to the next place.`;
    byId("own-text").textContent = `Rank ${formatScore(place.rank)} of ${formatScore(place.total)}, ${formatScore(place.score)} points. ${next}`;
  }

  #clear(text) {
    this.#reading.abort();
    clearTimeout(this.#timer);
    this.#timer = 0;
    byId("own-text").textContent = text;
    byId("own-table").hidden = true;
    byId("own-rows").replaceChildren();
  }

  #readSoon() {
    if (this.#timer !== 0) return;
    const waitMs = Math.max(0, this.#readAtMs + NEIGHBOURS_GAP_MS - performance.now());
    this.#timer = setTimeout(() => this.#read(), waitMs);
  }

  async #read() {
    this.#timer = 0;
    this.#readAtMs = performance.now();
    this.#reading.abort();
    this.#reading = new AbortController();
    const signal = this.#reading.signal;
    const user = encodeURIComponent(this.#user);
    const period = `period=${encodeURIComponent(this.#period)}`;
    try {
      const [rank, around] = await Promise.all([
        readJson(`/users/${user}/rank?${period}`, signal),
        readJson(`/users/${user}/around?${period}&before=${NEIGHBOURS}&after=${NEIGHBOURS}`, signal),
      ]);
      if (rank.status === 404) this.#say(null);
      else if (rank.fault) byId("own-text").textContent = rank.fault;
      else this.#say(rank.body);
      byId("own-table").hidden = !around.body;
      if (around.body) showPlainRows(byId("own-rows"), byId("plain-template"), { entries: around.body.entries, ownId: this.#user });
    } catch {
      // Another board or user was chosen meanwhile.
    }
  }
}

function remembered() {
  try {
    return localStorage.getItem(STORED) ?? "";
  } catch {
    return "";
  }
}

function remember(user) {
  try {
    localStorage.setItem(STORED, user);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}
