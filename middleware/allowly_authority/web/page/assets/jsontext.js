// JSON that is safe to draw and can be read back: display/jsontext.py of the harness, in JavaScript. What is written is
// JSON with three additions that JSON itself has not, so that no text can imitate them: \u{202e} and \x9b for what
// cannot be drawn, and \{40 spaces} for long runs of spaces. Numbers are kept as they are written: parsed as floating
// point, they would not be what is sent.

import { MAX_SECRET_CHARACTERS, isSecretName, mask, secretRanges } from "./secrets.js";
import { Line, counted, oneLine } from "./text.js";

export const MAX_DEPTH = 64;
export const MAX_SPACES = 16;
export const MAX_INDENT = 16;

const STEP = 2;
const STRING = /"[^"\\\u0000-\u001f]*(?:\\.[^"\\\u0000-\u001f]*)*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?/y;
const WORD = /true|false|null/y;
const LONG_SPACES = new RegExp(` {${MAX_SPACES + 1},}`, "g");

/** Parse canonical JSON. Throws a SyntaxError for anything else. */
export function parse(text) {
  const reader = new Reader(text);
  const node = reader.value(MAX_DEPTH);
  if (reader.at !== text.length) throw new SyntaxError("something follows the value");
  return node;
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  value(depth) {
    const next = this.text[this.at];
    if (next === '"') return { kind: "string", value: this.string() };
    if (next === "[" || next === "{") {
      if (depth === 0) throw new SyntaxError("the value is nested too deeply");
      return next === "[" ? this.array(depth - 1) : this.object(depth - 1);
    }
    const word = this.match(WORD);
    if (word !== null) return { kind: "word", raw: word };
    const number = this.match(NUMBER);
    if (number === null) throw new SyntaxError("a value is missing");
    return { kind: "number", raw: number };
  }

  array(depth) {
    const items = [];
    this.each("]", () => items.push(this.value(depth)));
    return { kind: "array", items };
  }

  object(depth) {
    const members = [];
    const names = new Set();
    this.each("}", () => {
      const name = this.string();
      if (names.has(name)) throw new SyntaxError("a name stands twice");
      names.add(name);
      this.take(":");
      members.push([name, this.value(depth)]);
    });
    return { kind: "object", members };
  }

  each(end, readOne) {
    this.at += 1;
    if (this.text[this.at] !== end) {
      readOne();
      while (this.text[this.at] === ",") {
        this.at += 1;
        readOne();
      }
    }
    this.take(end);
  }

  string() {
    const quoted = this.match(STRING);
    if (quoted === null) throw new SyntaxError("a text is missing");
    return JSON.parse(quoted);
  }

  take(character) {
    if (this.text[this.at] !== character) throw new SyntaxError(`${character} is missing`);
    this.at += 1;
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) return null;
    this.at += found[0].length;
    return found[0];
  }
}

/** Writes a parsed value as indented lines. */
export class JsonWriter {
  constructor({ revealed = false, asciiOnly = false } = {}) {
    this.revealed = revealed;
    this.asciiOnly = asciiOnly;
    this.masked = 0;
    this.hidden = 0;
    this.done = [];
    this.line = new Line();
    this.margin = [0, STEP];
  }

  /** Return what was written: lines with the columns before them and before what is folded of them. */
  get lines() {
    return [...this.done, { indent: this.margin[0], hang: this.margin[1], line: this.line }];
  }

  write(node, secret, depth = 0) {
    if (node.kind === "string") this.writeString(node.value, secret, depth);
    else if (node.kind === "object") this.writeAll("{}", node.members, secret, depth);
    else if (node.kind === "array") this.writeArray(node.items, secret, depth);
    else if (secret && !this.revealed && node.kind === "number") this.addMask(node.raw);
    else this.line.add(node.raw);
  }

  writeString(text, secret, depth) {
    const characters = [...text].length;
    if (secret && !this.revealed && characters > 0 && characters <= MAX_SECRET_CHARACTERS) {
      this.addMask(text);
    } else if (text.includes("\n") && (this.revealed || secretRanges(text).length === 0)) {
      this.line.add('"');
      atNewlines(text).forEach((piece, index) => {
        if (index > 0) this.newLine(marginAt(depth) + STEP, 0);
        this.addText(piece);
      });
      this.line.add('"');
    } else {
      this.writeText(text);
    }
  }

  writeText(text) {
    let position = 0;
    this.line.add('"');
    for (const [start, end] of this.revealed ? [] : secretRanges(text)) {
      this.addText(text.slice(position, start));
      this.addMask(text.slice(start, end));
      position = end;
    }
    this.addText(text.slice(position));
    this.line.add('"');
  }

  writeArray(items, secret, depth) {
    if (secret || !items.every((item) => item.kind === "word" || item.kind === "number")) {
      this.writeAll("[]", items.map((item) => [null, item]), secret, depth);
    } else {
      this.line.add(`[${items.map((item) => item.raw).join(", ")}]`);
    }
  }

  writeAll(brackets, members, secret, depth) {
    this.line.add(brackets[0]);
    members.forEach(([name, item], index) => {
      if (index > 0) this.line.add(",");
      this.newLine(marginAt(depth + 1), STEP);
      if (name !== null) {
        this.line.add('"');
        this.addText(name);
        this.line.add('": ');
      }
      this.write(item, secret || (name !== null && isSecretName(name)), depth + 1);
    });
    if (members.length > 0) this.newLine(marginAt(depth), STEP);
    this.line.add(brackets[1]);
  }

  addText(text) {
    const quoted = this.asciiOnly ? asciiQuoted(text) : JSON.stringify(text).slice(1, -1);
    this.hidden += actingEscapes(quoted);
    let position = 0;
    for (const run of quoted.matchAll(LONG_SPACES)) {
      this.draw(quoted.slice(position, run.index));
      this.line.add(`\\{${counted(run[0].length)} spaces}`, true);
      position = run.index + run[0].length;
    }
    this.draw(quoted.slice(position));
  }

  draw(quoted) {
    this.line.append(oneLine(quoted, { limit: quoted.length, exact: true }));
  }

  addMask(text) {
    this.masked += 1;
    this.line.append(mask([...text].length));
  }

  newLine(indent, hang) {
    this.done.push({ indent: this.margin[0], hang: this.margin[1], line: this.line });
    this.line = new Line();
    this.margin = [indent, hang];
  }
}

function marginAt(depth) {
  return Math.min(depth * STEP, MAX_INDENT);
}

function atNewlines(text) {
  const pieces = text.split("\n");
  const last = pieces.pop();
  const ended = pieces.map((piece) => `${piece}\n`);
  return last === "" ? ended : [...ended, last];
}

function asciiQuoted(text) {
  const quoted = JSON.stringify(text).slice(1, -1);
  return quoted.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Count the control characters that JSON itself has made visible, tab and line break aside. */
function actingEscapes(quoted) {
  const escapes = quoted.match(/\\(?:u[0-9a-f]{4}|.)/g) ?? [];
  return escapes.filter((one) => "bfr".includes(one[1]) || /^\\u00[01]/.test(one)).length;
}
