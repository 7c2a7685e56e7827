/**
 * How long the chosen period still goes on, in the reader's own zone, and the seasons that are over.
 */

import { formatLeft, formatMoment } from "./format.js";
import { readJson } from "./plain.js";

const TICK_MS = 1_000;
/** Closed boards come seldom; the end of a period asks at once. */
const READ_EVERY_MS = 60_000;

const byId = (id) => document.getElementById(id);

export class Seasons {
  #onChoose;
  #serverNow;
  #kind = "";
  #kinds = [];
  #readAtMs = -Infinity;

  /** `onChoose` gets a period id, or a kind for the one that goes on. `serverNow` is the server's time in ms. */
  constructor({ onChoose, serverNow }) {
    this.#onChoose = onChoose;
    this.#serverNow = serverNow;
    byId("season-select").addEventListener("change", (event) => this.#onChoose(event.target.value));
    setInterval(() => document.hidden || this.#tick(), TICK_MS);
  }

  /** This kind of period is shown now, its current or an earlier one. */
  choose(kind) {
    this.#kind = kind;
    this.#draw();
    if (performance.now() - this.#readAtMs > READ_EVERY_MS) this.#read();
  }

  get #shown() {
    return this.#kinds.find((each) => each.kind === this.#kind);
  }

  #tick() {
    const end = this.#shown?.current.end;
    const isOver = Number.isFinite(end) && this.#serverNow() >= end;
    const ageMs = performance.now() - this.#readAtMs;
    if (ageMs > READ_EVERY_MS || (isOver && ageMs > 5 * TICK_MS)) this.#read();
    this.#drawCountdown();
  }

  async #read() {
    this.#readAtMs = performance.now();
    const { body } = await readJson("/periods", AbortSignal.timeout(10_000)).catch(() => ({}));
    if (!Array.isArray(body?.kinds)) return;
    this.#kinds = body.kinds;
    this.#draw();
  }

  #draw() {
    const shown = this.#shown;
    const select = byId("season-select");
    const chosen = select.value;
    const closed = shown?.closed ?? [];
    const options = [new Option("Now", this.#kind), ...closed.map((each) => new Option(each.period.split(":")[1] ?? each.period, each.period))];
    select.replaceChildren(...options);
    if (options.some((option) => option.value === chosen)) select.value = chosen;
    select.parentElement.hidden = closed.length === 0;
    this.#drawCountdown();
  }

  #drawCountdown() {
    const end = this.#shown?.current.end;
    const isShown = Number.isFinite(end);
    const text = isShown ? `Ends ${formatMoment(end)} · ${formatLeft(end - this.#serverNow())} left` : "";
    if (byId("countdown").textContent !== text) byId("countdown").textContent = text;
    byId("season").hidden = !isShown && byId("season-select").parentElement.hidden;
  }
}
