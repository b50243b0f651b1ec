// The stream of questions. It is read with fetch and not with EventSource, which can send no header, and is gone on
// from where it was lost.

import { Problem, send } from "./api.js";

const SILENCE_MS = 40_000; // the authority says every 15 s that it is alive
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;
const MAX_EVENT_CHARACTERS = 4_000_000;

/** Hears events until it is closed. Calls `heard(name, data)`, `live(yes)` and, once nobody is signed in, `ended()`. */
export class Stream {
  constructor({ heard, live, ended }) {
    this.heard = heard;
    this.live = live;
    this.ended = ended;
    this.position = "";
    this.closed = false;
    this.abort = new AbortController();
    this.wake = () => {};
    this.leaving = new AbortController();
    // A connection may look alive long after the network is gone.
    addEventListener("offline", () => this.abort.abort(), { signal: this.leaving.signal });
    addEventListener("online", () => this.wake(), { signal: this.leaving.signal });
    this.run();
  }

  close() {
    this.closed = true;
    this.leaving.abort();
    this.abort.abort();
    this.wake();
  }

  /** Try again at once. */
  hurry() {
    this.wake();
  }

  async run() {
    let wait = FIRST_WAIT_MS;
    while (!this.closed) {
      try {
        await this.listen(() => { wait = FIRST_WAIT_MS; });
      } catch (problem) {
        if (this.closed) return;
        if (problem instanceof Problem && (problem.status === 401 || problem.status === 403)) {
          this.close();
          this.ended(problem);
          return;
        }
      }
      if (this.closed) return;
      this.live(false);
      await this.pause(wait * (0.75 + Math.random() / 2));
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
  }

  async listen(opened) {
    this.abort = new AbortController();
    let silence = setTimeout(() => this.abort.abort(), SILENCE_MS);
    try {
      const reply = await this.request();
      opened();
      const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(() => this.abort.abort(), SILENCE_MS);
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        if (rest.length > MAX_EVENT_CHARACTERS) throw new Problem(0, "unreadable", "An event is too long.");
        for (const block of blocks) this.take(block);
      }
    } finally {
      clearTimeout(silence);
      this.abort.abort();
    }
  }

  request() {
    return send("GET", "/events", undefined, this.abort.signal, this.position);
  }

  take(block) {
    let name = "";
    let data = "";
    let position = null;
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data = line.slice(6);
      else if (line.startsWith("id: ")) position = line.slice(4);
    }
    if (name !== "" && data !== "") this.heard(name, JSON.parse(data));
    if (position !== null) this.position = position;
    this.live(true);
  }

  pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
