// One question, open: its facts, and the answer. Whatever is not certain keeps the approval off; a rejection works at
// once. One answer is posted, however often a button is pressed, and a reply that is lost is asked about.

import { Problem, answer, callBehind, statusOf } from "./api.js";
import * as clock from "./clock.js";
import { byId, element, foreign, show } from "./dom.js";
import { headline, sections, verify } from "./facts.js";
import { Reading } from "./reading.js";
import { oneLine } from "./text.js";

export const UNSEEN_WORD = "unseen";
const ASK_AGAIN_MS = [300, 1000, 2000, 4000, 8000];
const OVER = new Set(["approved", "rejected", "expired", "cancelled", "consumed"]);

/** The open card. `on.announce(text)` tells the person; `on.signedOut(problem)` ends the session's view. */
export class Card {
  constructor(item, me, on) {
    this.item = item;
    this.me = me;
    this.on = on;
    this.state = "loading"; // then open, posting, unknown, inert
    this.call = null;
    this.proof = null;
    this.live = true;
    this.revealed = false;
    this.asciiOnly = false;
    this.stop = new AbortController();
    this.parts = Object.fromEntries(
      ["facts", "bar", "approve", "reject", "hint", "outcome", "note", "word", "left"].map((id) => [id, byId(`card-${id}`)]),
    );
    this.reset();
    this.listen();
    this.reading = new Reading(this.parts.facts, this.parts.bar, () => this.refresh());
    this.load();
  }

  close() {
    this.stop.abort();
    this.reading.close();
    this.state = "inert";
  }

  reset() {
    const { facts, note, word, outcome } = this.parts;
    facts.replaceChildren(element("p", {}, "Loading the call."));
    note.value = "";
    word.value = "";
    outcome.replaceChildren();
    show(byId("card-switches"), false);
    show(byId("card-word-row"), false);
    byId("card-tool").replaceChildren(foreign(headline(this.item)));
  }

  listen() {
    const { approve, reject, word } = this.parts;
    const signal = this.stop.signal;
    approve.addEventListener("click", (event) => this.approve(event), { signal });
    reject.addEventListener("click", (event) => { if (event.isTrusted) this.decide("rejected"); }, { signal });
    // A key that is held down repeats: it was not pressed for this question.
    for (const button of [approve, reject]) {
      button.addEventListener("keydown", (event) => { if (event.repeat) event.preventDefault(); }, { signal });
    }
    word.addEventListener("input", () => this.refresh(), { signal });
    for (const name of ["paste", "drop"]) word.addEventListener(name, (event) => event.preventDefault(), { signal });
    byId("card-reveal").addEventListener("click", () => { this.revealed = !this.revealed; this.draw(); }, { signal });
    byId("card-ascii").addEventListener("click", () => { this.asciiOnly = !this.asciiOnly; this.draw(); }, { signal });
    byId("card-ask").addEventListener("click", () => this.findOut(), { signal });
  }

  async load() {
    try {
      const call = await callBehind(this.item.escalation_id);
      this.proof = await verify(this.item, call);
      this.call = call;
    } catch (problem) {
      if (this.stop.signal.aborted) return;
      if (!(problem instanceof Problem)) throw problem;
      if (problem.status === 401) return this.on.signedOut(problem);
      if (problem.code !== "call_not_given") return this.end(`The call could not be read: ${problem.message}`, "failed");
    }
    if (this.stop.signal.aborted || this.state !== "loading") return;
    if (this.proof === "mismatch") this.end("The call that was handed in is not the one that is asked about. Reject it.", "mismatch");
    else if (this.hasVoted) this.end("You have approved. The others are waited for.", "voted");
    else this.state = "open";
    this.draw();
  }

  /** Whether no call is shown that a yes is bound to, so that it wants a typed word. */
  get isUnseen() {
    return this.call === null || this.proof === null;
  }

  draw() {
    const { facts } = this.parts;
    const shown = this.proof === "mismatch" ? null : this.call;
    let made;
    try {
      made = sections(this.item, { call: shown, proof: this.proof, me: this.me, revealed: this.revealed, asciiOnly: this.asciiOnly });
    } catch {
      this.end("The arguments cannot be shown, so they cannot be approved here.", "failed");
      return;
    }
    const scrolled = scrollY;
    facts.replaceChildren(...made);
    scrollTo(0, scrolled);
    const masked = Number(made[0].dataset.masked ?? 0);
    show(byId("card-switches"), shown !== null);
    show(byId("card-reveal"), masked > 0 || this.revealed);
    byId("card-reveal").setAttribute("aria-pressed", String(this.revealed));
    byId("card-reveal").textContent = this.revealed ? "Mask secrets" : `Show masked secrets (${masked})`;
    byId("card-ascii").setAttribute("aria-pressed", String(this.asciiOnly));
    show(byId("card-word-row"), this.state === "open" && this.isUnseen);
    this.reading.forget();
  }

  /** Why a press at this time would not approve; "" where it would. */
  obstacle(time = performance.now()) {
    if (this.state === "loading") return "The call is being loaded.";
    if (this.state === "posting") return "Your answer is on its way.";
    if (this.state !== "open") return "This question takes no answer here.";
    if (!this.live) return "The connection is lost: it is not known whether this still waits.";
    if (clock.now() >= Date.parse(this.item.expires_at)) return "The time to answer is over.";
    if (!this.reading.isWhole) return `Scroll through the whole card to approve. ${Math.floor(this.reading.share * 100)} % was on the screen.`;
    if (this.isUnseen && this.parts.word.value !== UNSEEN_WORD) return `To approve, type the word ${UNSEEN_WORD} above.`;
    return this.reading.isReadyAt(time) ? "" : "One moment: the card has just changed.";
  }

  approve(event) {
    const pressed = Math.min(event.timeStamp, performance.now());
    if (!event.isTrusted || this.obstacle(pressed) !== "") {
      this.refresh();
      this.on.announce(this.obstacle(pressed));
      return;
    }
    this.decide("approved");
  }

  async decide(resolution) {
    if (this.state !== "open" && !(resolution === "rejected" && this.canOnlyReject)) return;
    this.state = "posting";
    this.chosen = resolution;
    this.refresh();
    const note = this.parts.note.value.trim();
    try {
      const reply = await answer(this.item.escalation_id, note === "" ? { resolution } : { resolution, note });
      this.answered(reply);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      await this.failed(problem);
    }
  }

  answered(reply) {
    if (reply.status === "pending") {
      this.end(`Your approval counts: ${reply.approvals} of ${reply.approvals_needed}. The others are waited for.`, "voted");
    } else if (reply.receipt === null && reply.resolved_by !== this.me.principal_id) {
      this.elsewhere(reply);
    } else {
      this.end(reply.status === "approved" ? "You approved this call." : "You rejected this call.", reply.status);
    }
  }

  async failed(problem) {
    if (problem.status === 401) return this.on.signedOut(problem);
    if (problem.status === 403 || problem.status === 422) return this.end(`The authority refused: ${problem.message}`, "failed");
    await this.findOut();
  }

  /** Ask how the question stands, instead of posting an answer again. */
  async findOut() {
    this.state = "posting";
    this.refresh();
    for (const wait of [0, ...ASK_AGAIN_MS]) {
      await new Promise((resolve) => { setTimeout(resolve, wait); });
      try {
        const status = await statusOf(this.item.escalation_id);
        clock.set(status.now);
        return this.found(status);
      } catch (problem) {
        if (this.stop.signal.aborted || !(problem instanceof Problem)) return undefined;
        if (problem.status === 401) return this.on.signedOut(problem);
      }
    }
    this.state = "unknown";
    this.say("It is not known whether your answer arrived. Nothing is posted again.", "failed");
    return undefined;
  }

  found(status) {
    if (OVER.has(status.status)) {
      const mine = status.resolved_by === this.me.principal_id && status.status !== "expired" && status.status !== "cancelled";
      const same = status.status === this.chosen || (status.status === "consumed" && this.chosen === "approved");
      if (mine && same) this.end(this.chosen === "approved" ? "You approved this call." : "You rejected this call.", this.chosen);
      else this.elsewhere(status);
      return;
    }
    if (this.chosen === "approved" && this.hasVoted) {
      this.end("Your approval counts. The others are waited for.", "voted");
      return;
    }
    this.state = "open";
    this.draw();
    this.say("Your answer did not arrive, and nothing was decided. You can answer again.", "failed");
  }

  /** Take news of this question from the stream. */
  take(name, item) {
    const before = JSON.stringify([this.item.approvals, this.item.approved_by]);
    this.item = item;
    if (this.state === "posting" || this.state === "inert") return;
    if (OVER.has(item.status)) {
      this.elsewhere(item);
    } else if (this.hasVoted) {
      this.end("You have approved. The others are waited for.", "voted");
    } else if (name === "call_given" && this.state === "open" && this.call === null) {
      this.state = "loading";
      this.load();
    } else if (this.state === "open" && before !== JSON.stringify([item.approvals, item.approved_by])) {
      this.draw();
    }
  }

  get hasVoted() {
    return (this.item.approved_by ?? []).includes(this.me.principal_id);
  }

  elsewhere(told) {
    const by = told.resolved_by === null || told.resolved_by === undefined ? "" : told.resolved_by;
    const said = { approved: "approved", consumed: "approved", rejected: "rejected" }[told.status];
    if (said === undefined || told.status === "expired" || told.status === "cancelled") {
      this.end(told.status === "cancelled" ? "The authorization was revoked. Nothing can be answered here." : "The time to answer is over.", told.status);
      return;
    }
    const first = by === this.me.principal_id ? "You were first, in another place:" : "Somebody was first:";
    this.end(element("span", {}, `${first} ${said} by `, foreign(oneLine(by || "nobody named", { limit: 120 })), "."), told.status);
    if (told.note) this.parts.outcome.append(element("p", { class: "quoted" }, foreign(oneLine(told.note, { limit: 512 }))));
  }

  end(said, kind) {
    this.canOnlyReject = kind === "mismatch";
    this.state = "inert";
    show(byId("card-word-row"), false);
    this.say(said, kind);
  }

  say(said, kind) {
    const spoken = typeof said === "string" ? element("span", {}, said) : said;
    this.parts.outcome.className = `outcome ${kind}`;
    this.parts.outcome.replaceChildren(element("p", {}, spoken));
    this.refresh();
  }

  /** Show what can be done now. Called whenever that may have changed, and each second. */
  refresh() {
    if (this.stop.signal.aborted || this.reading === undefined) return;
    const over = clock.now() >= Date.parse(this.item.expires_at);
    if (over && (this.state === "open" || this.state === "loading")) {
      this.end("The time to answer is over.", "expired");
      return;
    }
    const { approve, reject, hint, left, note } = this.parts;
    const obstacle = this.obstacle();
    const rejectable = this.state === "open" || this.canOnlyReject === true;
    approve.setAttribute("aria-disabled", String(obstacle !== ""));
    reject.setAttribute("aria-disabled", String(!rejectable));
    note.disabled = !rejectable;
    if (hint.textContent !== obstacle) hint.textContent = obstacle;
    left.textContent = over ? "over" : clock.left(Date.parse(this.item.expires_at) - clock.now());
    show(byId("card-ask"), this.state === "unknown");
    show(this.parts.bar, this.state !== "inert" || this.canOnlyReject === true);
  }
}
