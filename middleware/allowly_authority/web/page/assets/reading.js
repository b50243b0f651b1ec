// Whether a card may be approved yet: all of it was on the screen, and it has stood still for half a second. What was
// pressed before counts by the time of the press, not by when the page got to it.

export const STILL_MS = 500;

/** Watches one card. Calls `changed()` when there may be a new answer. */
export class Reading {
  constructor(element, bar, changed) {
    this.element = element;
    this.bar = bar;
    this.changed = changed;
    this.seen = [];
    this.readyAt = Infinity;
    this.height = 0;
    this.width = 0;
    this.stop = new AbortController();
    const options = { passive: true, signal: this.stop.signal };
    addEventListener("scroll", () => this.look(), options);
    addEventListener("focus", () => this.restart(), options);
    document.addEventListener("visibilitychange", () => this.restart(), options);
    this.sizes = new ResizeObserver(() => this.resized());
    this.sizes.observe(element);
    this.sizes.observe(document.documentElement);
    this.restart();
  }

  close() {
    this.stop.abort();
    this.sizes.disconnect();
    this.readyAt = Infinity;
  }

  /** Begin anew: something of the card is different from what was read. */
  forget() {
    this.seen = [];
    this.restart();
  }

  /** Begin to wait, once what is there now has been painted. */
  restart() {
    this.readyAt = Infinity;
    const turn = (this.turn = Symbol("turn"));
    requestAnimationFrame(() => requestAnimationFrame(() => {
      if (turn !== this.turn || this.stop.signal.aborted) return;
      this.readyAt = performance.now() + STILL_MS;
      this.look();
      setTimeout(() => this.changed(), STILL_MS + 10);
    }));
    this.changed();
  }

  resized() {
    const { width, height } = this.element.getBoundingClientRect();
    if (Math.abs(width - this.width) < 1 && Math.abs(height - this.height) < 1) {
      this.look();
      return;
    }
    this.width = width;
    this.height = height;
    this.forget();
  }

  look() {
    if (document.visibilityState !== "visible") return;
    const box = this.element.getBoundingClientRect();
    const bar = this.bar.getBoundingClientRect();
    const bottom = bar.height > 0 && bar.top > 0 ? Math.min(innerHeight, bar.top) : innerHeight;
    const from = Math.max(0, -box.top);
    const to = Math.min(box.height, bottom - box.top);
    if (to > from) this.seen = united([...this.seen, [from, to]]);
    this.changed();
  }

  /** How much of the card has been on the screen, 0 to 1. */
  get share() {
    const { height } = this.element.getBoundingClientRect();
    if (height <= 0) return 0;
    const seen = this.seen.reduce((sum, [from, to]) => sum + to - from, 0);
    return Math.min(1, (seen + 2) / height);
  }

  get isWhole() {
    return this.share >= 1;
  }

  /** Tell whether a press at this time counts. */
  isReadyAt(time) {
    return time >= this.readyAt && document.visibilityState === "visible";
  }
}

function united(ranges) {
  const whole = [];
  for (const [from, to] of ranges.sort((one, other) => one[0] - other[0])) {
    const last = whole.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else whole.push([from, to]);
  }
  return whole;
}
