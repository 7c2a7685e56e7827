/**
 * Rows that do not move: neighbours and pages. All text is set with textContent.
 */

import { formatScore, showShift } from "./format.js";

/** Show these entries in this order; the one of `ownId` is marked. */
export function showPlainRows(body, template, { entries, ownId = null }) {
  const rows = entries.map((entry) => {
    const row = template.content.firstElementChild.cloneNode(true);
    const name = entry.name || entry.user_id;
    row.querySelector(".medal").textContent = formatScore(entry.rank);
    row.querySelector(".name").textContent = name;
    row.querySelector(".name").title = name;
    row.querySelector(".user-id").textContent = name === entry.user_id ? "" : entry.user_id;
    showShift(row.querySelector(".shift"), entry);
    row.querySelector(".points").textContent = formatScore(entry.score);
    if (entry.user_id === ownId) {
      row.classList.add("is-own");
      row.setAttribute("aria-current", "true");
    }
    return row;
  });
  body.replaceChildren(...rows);
}

/** The JSON of an answer, or what to tell the reader instead. Raises AbortError when another request took its place. */
export async function readJson(path, signal) {
  let answer;
  try {
    answer = await fetch(path, { signal, cache: "no-store", headers: { accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { fault: "The gateway cannot be reached." };
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return { body };
  return { status: answer.status, fault: body?.detail || `The gateway answered ${answer.status}.` };
}
