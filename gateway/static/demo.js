/**
 * The demo panel: performs one action as a demo user. It stays hidden unless the gateway runs in demo mode.
 */

import { formatDelta, formatScore } from "./format.js";

/** The gateway answers within 5 s whatever happens to the log; beyond this the line itself is gone. */
const ANSWER_MAX_MS = 10_000;
const TOAST_SHOWN_MS = 6_000;

const byId = (id) => document.getElementById(id);

/** Ask once whether there is a demo, and if so show the panel. `onActAs` gets the user whom the reader chooses to be. */
export async function startDemo(onActAs) {
  let demo;
  try {
    const answer = await fetch("/demo", { headers: { accept: "application/json" } });
    if (answer.status !== 200) return;
    demo = await answer.json();
  } catch {
    return;
  }
  if (!demo.users?.length || !demo.actions?.length) return;
  fillUsers(demo.users);
  fillActions(demo.actions);
  byId("demo-form").addEventListener("submit", (event) => {
    event.preventDefault();
    onActAs(byId("demo-user").value);
    performChosen(demo);
  });
  byId("demo-user").addEventListener("change", () => onActAs(byId("demo-user").value));
  byId("demo").hidden = false;
  document.body.classList.add("has-demo");
}

function fillUsers(users) {
  const options = users.map((user) => new Option(user.name || user.user_id, user.user_id));
  byId("demo-user").replaceChildren(...options);
}

function fillActions(actions) {
  const template = byId("action-template").content;
  const choices = actions.map((action, index) => {
    const choice = template.cloneNode(true);
    const input = choice.querySelector("input");
    input.value = action.name;
    input.checked = index === 0;
    choice.querySelector(".action-name").textContent = action.description || action.name;
    choice.querySelector(".action-points").textContent = formatDelta(action.points);
    return choice;
  });
  byId("demo-actions").replaceChildren(...choices);
}

async function performChosen(demo) {
  const button = byId("demo-submit");
  // Not `disabled`: that would throw the keyboard's focus away.
  if (button.getAttribute("aria-disabled") === "true") return;
  const user = demo.users.find((each) => each.user_id === byId("demo-user").value);
  const action = demo.actions.find((each) => each.name === new FormData(byId("demo-form")).get("action"));
  button.setAttribute("aria-disabled", "true");
  try {
    showToast(await perform(user, action));
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

/** Perform one action; what to tell the reader about it. */
async function perform(user, action) {
  const startMs = performance.now();
  try {
    const answer = await fetch("/demo/actions", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json, application/problem+json" },
      body: JSON.stringify({ user_id: user.user_id, action: action.name }),
      signal: AbortSignal.timeout(ANSWER_MAX_MS),
    });
    if (answer.status !== 201) return await refusal(answer);
    const receipt = await answer.json();
    const tookMs = Math.max(1, Math.round(performance.now() - startMs));
    return {
      isGood: true,
      title: `${formatDelta(receipt.points)} ${user.name || user.user_id}`,
      text: `recorded in ${formatScore(tookMs)}\u00a0ms${place(receipt)}`,
    };
  } catch {
    return { isGood: false, title: "No answer", text: "The gateway did not answer. The action may have been recorded or not." };
  }
}

function place({ partition, offset }) {
  return Number.isInteger(offset) ? ` at partition ${partition}, offset ${formatScore(offset)}` : "";
}

/** What a problem document (RFC 9457) says, or the bare status if the answer is none. */
async function refusal(answer) {
  const problem = await answer.json().catch(() => ({}));
  return {
    isGood: false,
    title: problem?.title || "Not recorded",
    text: problem?.detail || `The gateway answered ${answer.status}.`,
  };
}

let toastTimer = 0;

/** A success leaves by itself; an error stays until it is dismissed or replaced. */
function showToast({ isGood, title, text }) {
  const toast = byId("toast-template").content.firstElementChild.cloneNode(true);
  toast.classList.toggle("is-bad", !isGood);
  toast.querySelector(".toast-title").textContent = title;
  toast.querySelector(".toast-text").textContent = text;
  toast.querySelector(".toast-close").addEventListener("click", () => {
    toast.remove();
    byId("demo-submit").focus();
  });
  byId("toast-good").replaceChildren();
  byId("toast-bad").replaceChildren();
  byId(isGood ? "toast-good" : "toast-bad").append(toast);
  clearTimeout(toastTimer);
  if (isGood) toastTimer = setTimeout(() => toast.remove(), TOAST_SHOWN_MS);
}
