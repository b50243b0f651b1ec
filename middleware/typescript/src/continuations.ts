/**
 * Calls that asked their client for input and wait for the next leg.
 *
 * An MCP tool may answer with an input-required result; the client then sends the same call again with the input.
 * Such a leg is checked again, but under the idempotency key of the leg before it, so that the authority repeats its
 * answer and no second approval is used up.
 *
 * Which key a leg may use is decided from this table alone, never from what the client sends. A place is made when a
 * leg that was allowed ends by asking for input, and is taken, once, by the leg that brings the same state back for
 * the same check, tool and arguments. So for each approval there is at most one open place, and a finished run
 * leaves none: sending a leg twice, or inventing one, finds no place and is an ordinary call with a fresh key, which
 * asks for an approval of its own. The table lives in the process: a leg that reaches another one, or comes late, is
 * an ordinary call too.
 */

/** Most legs that are waited for at once. Beyond it the oldest is forgotten and will be asked about again. */
export const MAX_CONTINUATIONS = 4096;

/** How long a next leg is waited for, in milliseconds. */
export const CONTINUATION_MS = 600_000;

interface Place {
  readonly key: string;
  readonly until: number;
}

/** The open places, by what a next leg must look like. */
export class Continuations {
  readonly #clock: () => number;
  /** In the order in which they were last added to: the first one is the oldest. */
  readonly #open = new Map<string, Place[]>();
  #count = 0;

  /** @param clock Milliseconds on a clock that never goes back. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** Open a place for the leg that follows one that ran under `key`. */
  put(leg: string, key: string): void {
    const places = this.#open.get(leg) ?? [];
    places.push({ key, until: this.#clock() + CONTINUATION_MS });
    this.#open.delete(leg);
    this.#open.set(leg, places);
    this.#count += 1;
    const [oldest] = this.#open.keys();
    if (this.#count > MAX_CONTINUATIONS && oldest !== undefined) {
      this.#takeFirst(oldest);
    }
  }

  /** Take the place of `leg` and return its key; `undefined` where there is none, or it is too old. */
  take(leg: string): string | undefined {
    for (let place = this.#takeFirst(leg); place !== undefined; place = this.#takeFirst(leg)) {
      if (this.#clock() < place.until) {
        return place.key;
      }
    }
    return undefined;
  }

  #takeFirst(leg: string): Place | undefined {
    const places = this.#open.get(leg);
    const first = places?.shift();
    if (first !== undefined) {
      this.#count -= 1;
    }
    if (places?.length === 0) {
      this.#open.delete(leg);
    }
    return first;
  }
}
