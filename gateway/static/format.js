/**
 * Numbers, ages and retry delays as plain functions of plain values.
 */

const whole = new Intl.NumberFormat();

/** A score with the reader's own digit grouping. */
export const formatScore = (score) => whole.format(score);

/** A signed change: "+15", "−20" (a real minus sign, as wide as the plus). */
export const formatDelta = (delta) => (delta < 0 ? `−${whole.format(-delta)}` : `+${whole.format(delta)}`);

/** "0.3 s", "42 s", "5 min", "3 h", "2 d": one unit, never a long number. */
export function formatAge(ageMs) {
  const seconds = Math.max(0, ageMs) / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** "s1", "s1 and s2", "s1, s2 and s3". */
export function formatList(names) {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
}

/**
 * How far this machine's clock is ahead of the server's, from a Date header.
 * The header counts whole seconds, so a difference below 1.5 s is no evidence and gives 0.
 */
export function clockAheadMs(nowMs, dateHeader) {
  const serverMs = Date.parse(dateHeader ?? "");
  if (Number.isNaN(serverMs)) return 0;
  const aheadMs = nowMs - (serverMs + 500);
  return Math.abs(aheadMs) < 1500 ? 0 : aheadMs;
}

const RETRY_FIRST_MS = 500;
/** A restarted gateway is found again within this time; longer would look broken, shorter would press a struggling one. */
const RETRY_MAX_MS = 10_000;

/** The wait before a reconnect: doubled on each attempt, then half of it random so that pages do not return in step. */
export function retryDelayMs(attempt, random) {
  const ceilingMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt, 10));
  return ceilingMs * (0.5 + 0.5 * random);
}

/** "2 d 3 h", "3 h 12 min", "12 min 5 s", "5 s": the two largest units. */
export function formatLeft(leftMs) {
  const seconds = Math.max(0, Math.ceil(leftMs / 1000));
  const parts = [[Math.floor(seconds / 86400), "d"], [Math.floor(seconds / 3600) % 24, "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

const moment = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** A moment in the reader's own zone and words. */
export const formatMoment = (ms) => moment.format(ms);

/** Places gained since the last closed day: "▲2", "▼1", "=", "new"; nothing where there is nothing to compare with. */
function formatShift(rank, previousRank) {
  if (previousRank === undefined) return { text: "", spoken: "" };
  if (previousRank === null) return { text: "new", spoken: "new since the last closed day" };
  const gained = previousRank - rank;
  if (gained === 0) return { text: "=", spoken: "same rank as on the last closed day" };
  const places = `${Math.abs(gained)} ${Math.abs(gained) === 1 ? "place" : "places"}`;
  return gained > 0 ? { text: `▲${gained}`, spoken: `up ${places} since the last closed day` } : { text: `▼${-gained}`, spoken: `down ${places} since the last closed day` };
}

/** Write an entry's movement into an element of its row. */
export function showShift(element, entry) {
  const { text, spoken } = formatShift(entry.rank, entry.previous_rank);
  if (element.textContent !== text) element.textContent = text;
  element.title = spoken;
  element.classList.toggle("is-loss", text.startsWith("▼"));
}
