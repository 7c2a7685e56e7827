/**
 * Says aloud (through a polite live region) who took the lead: at most once per SPOKEN_GAP_MS, always the newest state,
 * and never a score by itself: a busy board would otherwise talk without end.
 */

import { formatScore } from "./format.js";

const SPOKEN_GAP_MS = 5_000;

export class LeadAnnouncer {
  #region;
  #spokenId = null;
  #lead = null;
  #timer = 0;

  constructor(region) {
    this.#region = region;
  }

  /** Another board is shown: its leader is where the reader starts, not news. */
  reset() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#spokenId = null;
    this.#region.textContent = "";
  }

  see(entries) {
    this.#lead = entries[0] ?? null;
    if (this.#lead === null) return;
    this.#spokenId ??= this.#lead.user_id;
    if (this.#timer === 0) this.#speak();
  }

  #speak() {
    this.#timer = 0;
    const lead = this.#lead;
    if (lead.user_id === this.#spokenId) return;
    this.#spokenId = lead.user_id;
    this.#region.textContent = `${lead.name || lead.user_id} takes the lead with ${formatScore(lead.score)} points`;
    this.#timer = setTimeout(() => this.#speak(), SPOKEN_GAP_MS);
  }
}
