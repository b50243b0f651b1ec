// The page as a whole: who is signed in, what waits, what is open, and what is said aloud.

import * as api from "./api.js";
import { Card } from "./card.js";
import * as clock from "./clock.js";
import { byId, show } from "./dom.js";
import { List } from "./list.js";
import { Stream } from "./stream.js";

const STAY_MS = 60_000;
const TITLE = "Inbox";

let me = null;
let stream = null;
let card = null;
let isNew = false;
let stayedAt = 0;
let isLive = false;

const list = new List((id) => open(id, true));

function announce(text) {
  byId("announcements").textContent = "";
  // A region that is filled anew is read anew, even with the same words.
  requestAnimationFrame(() => { byId("announcements").textContent = text; });
}

function retitle() {
  const count = list.items.size;
  document.title = `${isNew ? "New: " : ""}${me !== null && count > 0 ? `(${count}) ` : ""}${TITLE}`;
}

function signedOut(problem) {
  stream?.close();
  stream = null;
  leaveCard();
  me = null;
  list.items = new Map();
  list.draw();
  api.forget();
  show(byId("inbox"), false);
  show(byId("account"), false);
  show(byId("signed-out"), true);
  byId("sign-in-problem").textContent = problem?.message ?? "";
  byId("key").value = "";
  byId("key").focus();
  retitle();
}

function signedIn(told) {
  me = told;
  byId("who").textContent = told.principal_id;
  show(byId("signed-out"), false);
  show(byId("account"), true);
  show(byId("inbox"), true);
  showNotifying();
  stream = new Stream({ heard, live, ended: signedOut });
}

function heard(name, data) {
  if (name === "snapshot") {
    const before = new Set(list.items.keys());
    if (!list.snapshot(data)) return;
    if (card !== null && !list.items.has(card.item.escalation_id)) void askAboutCard();
    else if (card !== null) card.take(name, list.items.get(card.item.escalation_id));
    if (isLive && [...list.items.keys()].some((id) => !before.has(id))) arrived();
  } else {
    if (card?.item.escalation_id === data.escalation_id) card.take(name, data);
    if (list.change(data)) arrived();
  }
  retitle();
}

async function askAboutCard() {
  const asked = card;
  try {
    const status = await api.statusOf(asked.item.escalation_id);
    clock.set(status.now);
    if (asked === card) card.take("status", { ...card.item, ...status });
  } catch {
    // The stream tells of it as well.
  }
}

function arrived() {
  const count = list.items.size;
  announce(`Something arrived. ${count} ${count === 1 ? "question waits" : "questions wait"}.`);
  if (document.visibilityState === "visible" && document.hasFocus()) return;
  isNew = true;
  retitle();
  if (globalThis.Notification?.permission === "granted") {
    // Nothing of the question: notifications stand on locked screens.
    new Notification("Something waits for your approval", { tag: "allowly-inbox" });
  }
}

function live(yes) {
  if (isLive !== yes) {
    show(byId("lost"), !yes);
    if (!yes) announce("The connection is lost.");
  }
  isLive = yes;
  if (card !== null && card.live !== yes) {
    card.live = yes;
    card.reading.restart();
  }
}

function open(id, byPerson) {
  const item = list.items.get(id);
  if (item === undefined) return;
  leaveCard();
  if (byPerson) history.pushState({ open: id }, "");
  show(byId("listing"), false);
  show(byId("card"), true);
  card = new Card(item, me, { announce, signedOut });
  card.live = isLive;
  scrollTo(0, 0);
  byId("card-title").focus({ preventScroll: true });
}

function leaveCard() {
  if (card === null) return;
  const { escalation_id: id } = card.item;
  card.close();
  card = null;
  byId("card-facts").replaceChildren();
  show(byId("card"), false);
  show(byId("listing"), true);
  list.focus(id);
}

function showNotifying() {
  const canAsk = globalThis.Notification?.permission === "default";
  show(byId("notify"), canAsk);
}

byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = byId("key").value.trim();
  byId("key").value = "";
  byId("sign-in-problem").textContent = "";
  byId("sign-in-button").disabled = true;
  try {
    signedIn(await api.signIn(key));
    byId("list-title").focus();
  } catch (problem) {
    byId("sign-in-problem").textContent = problem.message;
    byId("key").focus();
  } finally {
    byId("sign-in-button").disabled = false;
  }
});

byId("sign-out").addEventListener("click", async () => {
  stream?.close();
  try {
    await api.signOut();
    signedOut(null);
  } catch (problem) {
    signedOut(problem.status === 401 ? null : new Error("The authority did not answer; the session ends by itself."));
  }
});
byId("notify").addEventListener("click", async () => {
  await Notification.requestPermission();
  showNotifying();
});
byId("card-back").addEventListener("click", () => history.back());
byId("retry").addEventListener("click", () => stream?.hurry());
addEventListener("popstate", (event) => {
  if (event.state?.open === undefined) leaveCard();
  else if (me !== null) open(event.state.open, false);
});
addEventListener("focus", () => {
  isNew = false;
  retitle();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState !== "visible") return;
  isNew = false;
  retitle();
});
for (const name of ["pointerdown", "keydown", "wheel"]) {
  addEventListener(name, () => {
    if (me === null || performance.now() - stayedAt < STAY_MS) return;
    stayedAt = performance.now();
    api.stay().catch((problem) => { if (problem.status === 401) signedOut(problem); });
  }, { passive: true });
}
api.onOtherTab(() => {
  if (!api.hasToken() && me !== null) signedOut(null);
  else if (api.hasToken() && me === null) location.reload();
});
setInterval(() => {
  if (me === null) return;
  if (clock.isDoubtful() && stream !== null) {
    // The computer slept: begin with a fresh snapshot, which brings the time.
    stream.close();
    stream = new Stream({ heard, live, ended: signedOut });
    live(false);
  }
  list.expire();
  retitle();
  card?.refresh();
}, 1000);

history.replaceState(null, "");
if (api.hasToken()) {
  try {
    signedIn(await api.whoAmI());
  } catch (problem) {
    signedOut(problem.status === 401 || problem.status === 403 ? null : problem);
  }
} else {
  signedOut(null);
}
