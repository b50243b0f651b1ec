// What waits, the first to run out first.

import * as clock from "./clock.js";
import { byId, element, foreign } from "./dom.js";
import { headline } from "./facts.js";
import { oneLine } from "./text.js";

const SOON_MS = 5 * 60_000;

/** The list on the screen, kept equal to what the stream told. Calls `open(id)`. */
export class List {
  constructor(open) {
    this.open = open;
    this.items = new Map();
    this.rows = new Map();
    this.arriving = new Map();
  }

  /** Take a page of a snapshot; `true` where it was the last one. */
  snapshot(data) {
    clock.set(data.now);
    if (data.page === 1) this.arriving = new Map();
    for (const item of data.items) this.arriving.set(item.escalation_id, item);
    if (data.has_more) return false;
    this.items = this.arriving;
    this.draw();
    return true;
  }

  /** Take a change; `true` where something arrived that was not there before. */
  change(item) {
    const known = this.items.has(item.escalation_id);
    if (item.status !== "pending") {
      this.remove([item.escalation_id]);
      return false;
    }
    this.items.set(item.escalation_id, item);
    this.place(item);
    return !known;
  }

  /** Leave out what ran out, by the authority's clock. */
  expire() {
    const over = [...this.items.values()].filter((item) => Date.parse(item.expires_at) <= clock.now());
    if (over.length > 0) this.remove(over.map((item) => item.escalation_id));
    for (const row of this.rows.values()) tick(row);
  }

  draw() {
    const focused = document.activeElement?.dataset?.id;
    const sorted = [...this.items.values()].sort(order);
    this.rows = new Map(sorted.map((item) => [item.escalation_id, this.row(item)]));
    byId("list").replaceChildren(...this.rows.values());
    this.tell();
    if (focused !== undefined) this.focus(focused);
    this.expire();
  }

  /** Put one row where it belongs. The others stay as they are: there may be a thousand. */
  place(item) {
    const id = item.escalation_id;
    const wasFocused = document.activeElement?.dataset?.id === id;
    this.rows.get(id)?.remove();
    const row = this.row(item);
    tick(row);
    const next = [...byId("list").children].find((other) => order(item, this.items.get(idOf(other))) < 0);
    byId("list").insertBefore(row, next ?? null);
    this.rows.set(id, row);
    this.tell();
    if (wasFocused) this.focus(id);
  }

  remove(ids) {
    const focused = document.activeElement?.dataset?.id;
    for (const id of ids) {
      this.items.delete(id);
      this.rows.get(id)?.remove();
      this.rows.delete(id);
    }
    this.tell();
    if (ids.includes(focused)) this.focus(focused);
  }

  /** Say how many there are. */
  tell() {
    const { size } = this.items;
    byId("empty").hidden = size > 0;
    byId("count").textContent = size === 0 ? "" : String(size);
  }

  focus(id) {
    const row = this.rows.get(id)?.firstElementChild;
    (row ?? byId("list-title")).focus({ preventScroll: row === undefined });
  }

  row(item) {
    const button = element("button", { type: "button", class: "item" });
    button.dataset.id = item.escalation_id;
    const until = element("span", { class: "until" });
    until.dataset.until = String(Date.parse(item.expires_at));
    const who = element("span", { class: "who" }, "for ", foreign(oneLine(item.user_id, { limit: 60 })), " by ",
      foreign(oneLine(item.agent_id, { limit: 60 })));
    const needed = item.approvals_needed ?? 1;
    if (needed > 1) who.append(`, ${item.approvals ?? 0} of ${needed} approvals`);
    button.append(element("span", { class: "what" }, foreign(headline(item))), until, who);
    button.addEventListener("click", () => this.open(item.escalation_id));
    return element("li", {}, button);
  }
}

function order(one, other) {
  return Date.parse(one.expires_at) - Date.parse(other.expires_at) || (one.escalation_id < other.escalation_id ? -1 : 1);
}

function idOf(row) {
  return row.firstElementChild.dataset.id;
}

/** Write how much time is left, where that is another text than before: each writing makes the browser lay out anew. */
function tick(row) {
  const shown = row.querySelector("[data-until]");
  const rest = Number(shown.dataset.until) - clock.now();
  const text = `${clock.left(rest)} left`;
  if (shown.textContent === text) return;
  shown.textContent = text;
  shown.classList.toggle("soon", rest < SOON_MS);
}
