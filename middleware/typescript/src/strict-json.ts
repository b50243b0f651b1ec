/**
 * JSON from strangers: one meaning or none.
 *
 * `JSON.parse` lets the last of two equal names win, and reads a number that is too large as infinity. Each of them
 * lets a reply say `deny` to one reader and `allow` to the next, so all of them are refused here.
 */

/** Deepest nesting of objects and arrays in a reply. */
export const MAX_JSON_DEPTH = 32;

/** The bytes are not one JSON value with one meaning. The text never quotes them. */
export class StrictJsonError extends Error {
  override readonly name = "StrictJsonError";
}

/**
 * Read one JSON value from UTF-8 bytes.
 *
 * @returns Objects have no prototype, so no name in them means anything but itself.
 * @throws {StrictJsonError} Not UTF-8, not JSON, a name twice in an object, a number that is not finite, a string with
 *   a lone surrogate, or deeper nesting than `MAX_JSON_DEPTH`.
 */
export function parseStrictJson(body: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    throw new StrictJsonError("it is not UTF-8");
  }
  return new Reader(text).document();
}

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): unknown {
    const value = this.#value(0);
    if (this.#at !== this.#text.length) {
      throw invalid();
    }
    return value;
  }

  #value(depth: number): unknown {
    this.#match(SPACE);
    const value = this.#bare(depth);
    this.#match(SPACE);
    return value;
  }

  #bare(depth: number): unknown {
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(depth + 1);
      case "[":
        return this.#array(depth + 1);
      case '"':
        return this.#string();
      case "t":
      case "f":
      case "n":
        return JSON.parse(this.#match(WORD)) as unknown;
      default:
        return this.#number();
    }
  }

  #object(depth: number): Record<string, unknown> {
    this.#enter(depth);
    const members = Object.create(null) as Record<string, unknown>;
    if (this.#closes("}")) {
      return members;
    }
    do {
      this.#match(SPACE);
      const name = this.#string();
      if (Object.hasOwn(members, name)) {
        throw new StrictJsonError("an object names something twice");
      }
      this.#match(SPACE);
      if (!this.#skip(":")) {
        throw invalid();
      }
      members[name] = this.#value(depth);
    } while (this.#skip(","));
    if (!this.#skip("}")) {
      throw invalid();
    }
    return members;
  }

  #array(depth: number): unknown[] {
    this.#enter(depth);
    const items: unknown[] = [];
    if (this.#closes("]")) {
      return items;
    }
    do {
      items.push(this.#value(depth));
    } while (this.#skip(","));
    if (!this.#skip("]")) {
      throw invalid();
    }
    return items;
  }

  #string(): string {
    const text = JSON.parse(this.#match(STRING)) as string;
    if (!text.isWellFormed()) {
      throw new StrictJsonError("a string holds a lone surrogate");
    }
    return text;
  }

  #number(): number {
    const value = Number(this.#match(NUMBER));
    if (!Number.isFinite(value)) {
      throw new StrictJsonError("a number is not finite");
    }
    return value;
  }

  #enter(depth: number): void {
    if (depth > MAX_JSON_DEPTH) {
      throw new StrictJsonError(`it is nested deeper than ${String(MAX_JSON_DEPTH)} levels`);
    }
    this.#at += 1;
  }

  #closes(bracket: string): boolean {
    this.#match(SPACE);
    return this.#skip(bracket);
  }

  #skip(character: string): boolean {
    const found = this.#text[this.#at] === character;
    this.#at += found ? 1 : 0;
    return found;
  }

  #match(token: RegExp): string {
    token.lastIndex = this.#at;
    const found = token.exec(this.#text)?.[0];
    if (found === undefined) {
      throw invalid();
    }
    this.#at += found.length;
    return found;
  }
}

function invalid(): StrictJsonError {
  return new StrictJsonError("it is not valid JSON");
}
