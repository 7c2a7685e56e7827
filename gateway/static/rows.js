/**
 * The rows of the board: one element per user, kept for as long as the user is shown. A row whose rank changes is moved
 * in the table at once and slides there by a transform (first, last, invert, play), so nothing but the compositor works.
 * Nothing moves for readers who asked for reduced motion. All text is set with textContent.
 */

import { formatDelta, formatScore, showShift } from "./format.js";

const SLIDE_MS = 450;
const COUNT_MS = 450;
/** Long enough to be read, short enough not to pile up; changes within it are added up. */
const CHANGE_SHOWN_MS = 2_400;
const SLIDE_EASING = "cubic-bezier(0.2, 0.8, 0.2, 1)";
const MEDAL_RANK_MAX = 3;

export class BoardRows {
  #body;
  #template;
  #reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  #rows = new Map();

  constructor(body, template) {
    this.#body = body;
    this.#template = template;
  }

  clear() {
    for (const row of this.#rows.values()) row.remove();
    this.#rows.clear();
  }

  /** Show these entries in this order. What changed since the last call moves and counts. */
  show(entries) {
    const isFirst = this.#rows.size === 0;
    const isStill = isFirst || document.hidden || this.#reducedMotion.matches;
    const topsBefore = isStill ? new Map() : this.#tops();
    const leadScore = Math.max(1, entries[0]?.score ?? 1);

    const shownIds = new Set(entries.map((entry) => entry.user_id));
    for (const [userId, row] of this.#rows) {
      if (shownIds.has(userId)) continue;
      row.remove();
      this.#rows.delete(userId);
    }
    let place = this.#body.firstElementChild;
    for (const entry of entries) {
      const row = this.#rows.get(entry.user_id) ?? this.#add(entry);
      row.update(entry, { share: entry.score / leadScore, isStill });
      if (row.element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(row.element, place);
    }
    if (!isStill) this.#play(topsBefore);
  }

  #add(entry) {
    const row = new Row(this.#template.content.firstElementChild.cloneNode(true), entry);
    this.#rows.set(entry.user_id, row);
    return row;
  }

  /** Where each row is seen now, a slide in progress included: an interrupted slide goes on from there. */
  #tops() {
    const tops = new Map();
    for (const [userId, row] of this.#rows) tops.set(userId, row.element.getBoundingClientRect().top);
    return tops;
  }

  #play(topsBefore) {
    for (const row of this.#rows.values()) row.stopSlide();
    const topsAfter = this.#tops();
    for (const [userId, row] of this.#rows) {
      if (topsBefore.has(userId)) row.slide(topsBefore.get(userId) - topsAfter.get(userId));
      else row.appear();
    }
  }
}

class Row {
  #parts;
  #entry;
  #isNew = true;
  #shownScore;
  #slide = null;
  #frame = 0;
  #change = { delta: 0, climbed: 0, sinceMs: -Infinity, timer: 0 };

  constructor(element, entry) {
    this.element = element;
    this.#entry = entry;
    this.#shownScore = entry.score;
    const part = (name) => element.querySelector(`.${name}`);
    this.#parts = {
      medal: part("medal"), move: part("move"), name: part("name"), userId: part("user-id"), shift: part("shift"),
      delta: part("delta"), points: part("points"), bar: part("bar"),
    };
  }

  update(entry, { share, isStill }) {
    const before = this.#entry;
    this.#entry = entry;
    const name = entry.name || entry.user_id;
    setText(this.#parts.medal, String(entry.rank));
    setText(this.#parts.name, name);
    setText(this.#parts.userId, name === entry.user_id ? "" : entry.user_id);
    this.#parts.name.title = name;
    showShift(this.#parts.shift, entry);
    this.element.dataset.medal = entry.rank <= MEDAL_RANK_MAX ? String(entry.rank) : "";
    this.#parts.bar.style.transform = `scaleX(${Math.min(1, Math.max(0, share)).toFixed(4)})`;
    if (this.#isNew) {
      setText(this.#parts.points, formatScore(entry.score));
      this.#isNew = false;
      return;
    }
    if (entry.score !== before.score) this.#count(entry.score, isStill);
    if (entry.score !== before.score || entry.rank !== before.rank) {
      this.#showChange(entry.score - before.score, before.rank - entry.rank);
    }
  }

  remove() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#change.timer);
    this.element.remove();
  }

  stopSlide() {
    this.#slide?.cancel();
    this.#slide = null;
  }

  slide(fromPx) {
    if (Math.abs(fromPx) < 1) return;
    // The row that climbs passes over the one that sinks.
    this.element.classList.toggle("is-climbing", fromPx > 0);
    const frames = [{ transform: `translateY(${fromPx}px)` }, { transform: "none" }];
    this.#slide = this.element.animate(frames, { duration: SLIDE_MS, easing: SLIDE_EASING });
  }

  appear() {
    this.element.animate([{ opacity: 0 }, { opacity: 1 }], { duration: SLIDE_MS, easing: "ease-out" });
  }

  #count(score, isStill) {
    cancelAnimationFrame(this.#frame);
    const from = this.#shownScore;
    if (isStill) {
      this.#setScore(score);
      return;
    }
    const startMs = performance.now();
    const step = () => {
      const done = Math.min(1, (performance.now() - startMs) / COUNT_MS);
      this.#setScore(done === 1 ? score : Math.round(from + (score - from) * (1 - (1 - done) ** 3)));
      if (done < 1) this.#frame = requestAnimationFrame(step);
    };
    step();
  }

  #setScore(score) {
    this.#shownScore = score;
    setText(this.#parts.points, formatScore(score));
  }

  #showChange(delta, climbed) {
    const change = this.#change;
    const nowMs = performance.now();
    if (nowMs - change.sinceMs > CHANGE_SHOWN_MS) Object.assign(change, { delta: 0, climbed: 0, sinceMs: nowMs });
    change.delta += delta;
    change.climbed += climbed;
    setText(this.#parts.delta, change.delta === 0 ? "" : formatDelta(change.delta));
    setText(this.#parts.move, change.climbed === 0 ? "" : change.climbed > 0 ? "▲" : "▼");
    this.#parts.delta.classList.toggle("is-loss", change.delta < 0);
    this.#parts.move.classList.toggle("is-loss", change.climbed < 0);
    this.element.classList.add("is-changed");
    clearTimeout(change.timer);
    change.timer = setTimeout(() => this.element.classList.remove("is-changed"), CHANGE_SHOWN_MS);
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
