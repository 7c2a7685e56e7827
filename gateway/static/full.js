/**
 * The whole board by pages, and somebody or some rank on it. Read only when the reader opens it.
 */

import { formatScore } from "./format.js";
import { readJson, showPlainRows } from "./plain.js";

const ROWS = 25;
const AROUND = 12;

const byId = (id) => document.getElementById(id);

export class FullBoard {
  #period = "";
  #reading = new AbortController();
  #cursors = { previous: null, next: null };

  constructor() {
    byId("full").addEventListener("toggle", () => byId("full").open && this.#begin());
    byId("full-previous").addEventListener("click", () => this.#page(this.#cursors.previous));
    byId("full-next").addEventListener("click", () => this.#page(this.#cursors.next));
    byId("full-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#find(byId("full-search").value.trim());
    });
  }

  /** Another board is shown. */
  choose(period) {
    this.#period = period;
    this.#reading.abort();
    if (byId("full").open) this.#begin();
    else byId("full-rows").replaceChildren();
  }

  #begin() {
    this.#show(`/leaderboard?period=${encodeURIComponent(this.#period)}&rank=1&limit=${ROWS}`);
  }

  #page(cursor) {
    if (cursor !== null) this.#show(`/leaderboard?limit=${ROWS}&cursor=${encodeURIComponent(cursor)}`);
  }

  #find(text) {
    const period = `period=${encodeURIComponent(this.#period)}`;
    const rank = /^#\s*([1-9]\d{0,11})$/.exec(text)?.[1];
    if (rank !== undefined) this.#show(`/leaderboard?${period}&rank=${rank}&limit=${ROWS}`);
    else if (text === "") this.#begin();
    else this.#show(`/users/${encodeURIComponent(text)}/around?${period}&before=${AROUND}&after=${AROUND}`, text);
  }

  async #show(path, ownId = null) {
    this.#reading.abort();
    this.#reading = new AbortController();
    let answer;
    try {
      answer = await readJson(path, this.#reading.signal);
    } catch {
      return;
    }
    const { body, fault, status } = answer;
    if (!body) {
      byId("full-text").textContent = status === 404 && ownId !== null ? `${ownId} is not on this board.` : fault;
      return;
    }
    this.#cursors = { previous: body.previous, next: body.next };
    byId("full-previous").disabled = body.previous === null;
    byId("full-next").disabled = body.next === null;
    byId("full-text").textContent = `${formatScore(body.total)} on this board`;
    showPlainRows(byId("full-rows"), byId("plain-template"), { entries: body.entries, ownId });
  }
}
