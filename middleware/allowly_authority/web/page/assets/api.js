// Speaking to the authority: with both secrets of the session, within a time, and with every failure named.

const TOKEN = "allowly-inbox-token";
const TIMEOUT_MS = 10_000;

/** A request that failed. `status` is 0 where no reply came, so that nobody knows what was done. */
export class Problem extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

let token = stored();

function stored() {
  try {
    return localStorage.getItem(TOKEN);
  } catch {
    return null; // storage is turned off: the session lasts as long as this page
  }
}

function keep(value) {
  token = value;
  try {
    if (value === null) localStorage.removeItem(TOKEN);
    else localStorage.setItem(TOKEN, value);
  } catch {
    // As above.
  }
}

export function hasToken() {
  return token !== null;
}

/** Call when another tab of this browser signed in or out. */
export function onOtherTab(changed) {
  addEventListener("storage", (event) => {
    if (event.key !== TOKEN && event.key !== null) return;
    token = stored();
    changed();
  });
}

export async function send(method, path, body, signal, position = "") {
  const headers = { Accept: "application/json, text/event-stream" };
  if (position !== "") headers["Last-Event-ID"] = position;
  if (token !== null) headers["X-Inbox-Token"] = token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const text = body === undefined ? undefined : JSON.stringify(body);
  let reply;
  try {
    reply = await fetch(`/inbox${path}`, {
      method, headers, body: text, credentials: "same-origin", cache: "no-store", redirect: "error",
      referrerPolicy: "no-referrer", signal: signal ?? AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Problem(0, "unreachable", "The authority did not answer.");
  }
  if (!reply.ok) throw await problemOf(reply);
  return reply;
}

export async function json(method, path, body) {
  const reply = await send(method, path, body);
  try {
    return await reply.json();
  } catch {
    throw new Problem(0, "unreadable", "The reply of the authority could not be read.");
  }
}

async function problemOf(reply) {
  let error = {};
  try {
    error = (await reply.json()).error ?? {};
  } catch {
    // Not ours: something stands in between, or it is no authority.
  }
  return new Problem(reply.status, String(error.code ?? ""), String(error.message ?? `status ${reply.status}`));
}

export async function signIn(key) {
  keep(null);
  const told = await json("POST", "/session", { key });
  keep(told.token);
  return told;
}

export async function signOut() {
  try {
    await send("DELETE", "/session");
  } finally {
    keep(null);
  }
}

export function forget() {
  keep(null);
}

export const whoAmI = () => json("GET", "/session");
export const stay = () => json("POST", "/session/stay", {});
export const statusOf = (id) => json("GET", `/escalations/${encodeURIComponent(id)}`);
export const callBehind = (id) => json("GET", `/escalations/${encodeURIComponent(id)}/call`);
export const answer = (id, body) => json("POST", `/escalations/${encodeURIComponent(id)}/resolve`, body);
