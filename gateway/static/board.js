/**
 * The page: which period is shown, the newest board of each, and what the reader is told about its age and connection.
 * Boards come by the stream; one plain read per period gives the first paint, the server's clock and refusals.
 */

import { startDemo } from "./demo.js";
import { clockAheadMs, formatAge, formatList } from "./format.js";
import { FullBoard } from "./full.js";
import { OwnPlace } from "./own.js";
import { BoardRows } from "./rows.js";
import { Seasons } from "./season.js";
import { LeadAnnouncer } from "./spoken.js";
import { BoardStream, parseBoard } from "./stream.js";

const ROWS_MAX = 10;
/** Shards publish every few milliseconds; eyes and slides need less. The first board after a pause is drawn at once. */
const DRAW_GAP_MS = 100;
const AGE_TICK_MS = 100;

const EMPTY_TITLES = { daily: "No points yet today", weekly: "No points yet this week", all_time: "No points yet" };
const CONNECTION_TEXTS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", stale: "Stale", final: "Final" };

const byId = (id) => document.getElementById(id);
const rows = new BoardRows(byId("rows"), byId("row-template"));
const announcer = new LeadAnnouncer(byId("lead-spoken"));
const stream = new BoardStream({ onBoard: accept, onBeat: refresh, onState: setConnection, onOwn: (_, own) => ownPlace.told(own) });
const ownPlace = new OwnPlace((user) => {
  ownPlace.choose(period, { isLive: !isClosed(period) });
  stream.follow(user);
});
const full = new FullBoard();
const seasons = new Seasons({ onChoose: choose, serverNow: () => Date.now() - aheadMs });

/** The newest board seen of each period: a version never goes back, not even by switching away and returning. */
const newestBoards = new Map();
let period = "daily";
let connection = "connecting";
let aheadMs = 0;
let reading = new AbortController();
let drawTimer = 0;
let drawnPeriod;
let drawnAtMs = -Infinity;

function choose(chosen) {
  period = chosen;
  byId("json-link").href = `/leaderboard?period=${encodeURIComponent(period)}`;
  drawnPeriod = undefined;
  rows.clear();
  announcer.reset();
  drawNow();
  seasons.choose(kindOf(period));
  ownPlace.choose(period, { isLive: !isClosed(period) });
  full.choose(period);
  if (isClosed(period)) {
    stream.close();
    setConnection("final");
  } else stream.open(period, ownPlace.user);
  readOnce(period);
}

const kindOf = (id) => id.split(":")[0];
/** Only seasons that are over are chosen by their id. */
const isClosed = (id) => id.includes(":");

async function readOnce(wanted) {
  reading.abort();
  reading = new AbortController();
  try {
    const query = `period=${encodeURIComponent(wanted)}&limit=${ROWS_MAX}`;
    const answer = await fetch(`/leaderboard?${query}`, { signal: reading.signal, cache: "no-store" });
    aheadMs = clockAheadMs(Date.now(), answer.headers.get("date"));
    const text = await answer.text();
    if (answer.status === 404) {
      refuse();
      return;
    }
    const board = answer.ok ? parseBoard(text) : null;
    if (board !== null) accept(wanted, board);
  } catch {
    // Aborted by the next choice, or the network is away: the stream notices that and keeps trying.
  }
}

/** This deployment does not keep the chosen period: say so and stop asking. */
function refuse() {
  stream.close();
  setConnection(isClosed(period) ? "final" : "live");
  setBlank("This board is not kept here", "Choose another period.");
}

/** Take a board unless a newer one is shown. The same version counts: its stale marks may have changed. */
function accept(ofPeriod, board) {
  const newest = newestBoards.get(ofPeriod);
  if (newest !== undefined && isOlder(board, newest)) return;
  newestBoards.set(ofPeriod, board);
  if (drawTimer !== 0) return;
  const waitMs = Math.max(0, drawnAtMs + DRAW_GAP_MS - performance.now());
  if (waitMs === 0) drawNow();
  else drawTimer = setTimeout(drawNow, waitMs);
}

/** Within one day or week the version decides; a later one always wins, its first and empty board has version 0. */
function isOlder(board, newest) {
  return board.period === newest.period ? board.version < newest.version : board.period < newest.period;
}

/** A heartbeat says how far the log was read while nothing that can be seen changed: the board is as young as that. */
function refresh(ofPeriod, { period: id, version, as_of }) {
  const newest = newestBoards.get(ofPeriod);
  if (newest === undefined || newest.period !== id || version < newest.version) return;
  newestBoards.set(ofPeriod, { ...newest, version, as_of });
}

function drawNow() {
  clearTimeout(drawTimer);
  drawTimer = 0;
  drawnAtMs = performance.now();
  const board = newestBoards.get(period);
  const entries = board?.entries.slice(0, ROWS_MAX) ?? [];
  if (board?.period !== drawnPeriod) {
    // Another board, or midnight has passed: what it shows is no change of what was shown before.
    rows.clear();
    announcer.reset();
    drawnPeriod = board?.period;
  }
  rows.show(entries);
  announcer.see(entries);
  if (board === undefined) setBlank("Waiting for the board", "It appears here as soon as the gateway answers.");
  else if (entries.length === 0) setBlank(EMPTY_TITLES[period] ?? "No points", "The first action that counts opens the board.");
  else byId("blank").hidden = true;
  drawFacts();
}

function setBlank(title, text) {
  byId("blank-title").textContent = title;
  byId("blank-text").textContent = text;
  byId("blank").hidden = false;
}

function setConnection(state) {
  connection = state;
  drawFacts();
}

/** The connection mark and the sentence that explains it. */
function drawFacts() {
  const board = newestBoards.get(period);
  const isStale = connection === "live" && board?.stale === true;
  const state = isStale ? "stale" : connection;
  const mark = byId("connection");
  if (mark.dataset.state !== state) {
    mark.dataset.state = state;
    byId("connection-text").textContent = CONNECTION_TEXTS[state];
  }
  setText(byId("notice"), notice(board, state));
  drawAge();
}

function notice(board, state) {
  if (state === "reconnecting") return board ? "Connection lost: this is the last board received." : "The gateway cannot be reached.";
  if (state === "stale") return staleNotice(board.stale_shards ?? []);
  if (board?.complete === false) return "Some rows are still being gathered.";
  return "";
}

function staleNotice(shards) {
  if (shards.length === 0) return "The board is not being refreshed at the moment.";
  if (shards.length === 1) return `Shard ${shards[0]} is silent: its scores may be behind.`;
  return `Shards ${formatList(shards)} are silent: their scores may be behind.`;
}

function drawAge() {
  const asOfMs = newestBoards.get(period)?.as_of;
  const text = Number.isFinite(asOfMs) ? `Updated ${formatAge(Date.now() - aheadMs - asOfMs)} ago` : "";
  setText(byId("age"), text);
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function chosenAtStart() {
  const asked = new URLSearchParams(location.search).get("period");
  const inputs = [...byId("periods").querySelectorAll("input")];
  const input = inputs.find((each) => each.value === asked) ?? inputs[0];
  input.checked = true;
  return input.value;
}

byId("periods").addEventListener("change", (event) => {
  history.replaceState(null, "", `?period=${encodeURIComponent(event.target.value)}`);
  byId("season-select").value = "";
  choose(event.target.value);
});
addEventListener("online", () => stream.retryNow());
document.addEventListener("visibilitychange", () => document.hidden || stream.retryNow());
// A page kept for the back button must not hold a stream open, and starts afresh when it is shown again.
addEventListener("pagehide", () => stream.close());
addEventListener("pageshow", (event) => event.persisted && choose(period));
setInterval(() => document.hidden || drawAge(), AGE_TICK_MS);

ownPlace.restore();
choose(chosenAtStart());
startDemo((user) => ownPlace.name(user));
