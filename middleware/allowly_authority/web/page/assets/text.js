// Foreign text, made safe to draw: the rules of the terminal's card (display/sanitize.py of the harness), in JavaScript.
// Each character that is invisible, acts on its neighbours or poses as another is replaced by a visible escape. Nothing
// is deleted: a person must see that something was there.

export const MAX_LINE_CHARACTERS = 2000;
export const MAX_IDENTIFIER_CHARACTERS = 128;
export const MAX_MARKS = 4;

const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Zs}]/u;
const MARK = /\p{M}/u;
const ORDINARY = /^[A-Za-z0-9_.-]$/;
const PLAIN = /^[ -~]*$/;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const LETTER = /\p{L}/u;
const IGNORABLE = [
  [0x00ad, 0x00ad], [0x034f, 0x034f], [0x061c, 0x061c], [0x115f, 0x1160], [0x17b4, 0x17b5], [0x180b, 0x180f],
  [0x200b, 0x200f], [0x202a, 0x202e], [0x2060, 0x206f], [0x2800, 0x2800], [0x3164, 0x3164], [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff], [0xffa0, 0xffa0], [0xfff0, 0xfffb], [0x1bca0, 0x1bca3], [0x1d159, 0x1d159], [0x1d173, 0x1d17a],
  [0xe0000, 0xe0fff],
];

/** A line that is being written: pieces of text, and which of them stand for something that cannot be drawn. */
export class Line {
  constructor() {
    this.spans = [];
    this.hidden = 0;
    this.cut = 0;
    this.rightToLeft = false;
    this.odd = false;
  }

  add(text, altered = false) {
    if (text === "") return this;
    const last = this.spans.at(-1);
    if (last !== undefined && last.altered === altered) last.text += text;
    else this.spans.push({ text, altered });
    return this;
  }

  append(other) {
    for (const span of other.spans) this.add(span.text, span.altered);
    this.hidden += other.hidden;
    this.cut += other.cut;
    this.rightToLeft ||= other.rightToLeft;
    this.odd ||= other.odd;
    return this;
  }

  get text() {
    return this.spans.map((span) => span.text).join("");
  }
}

export function isHidden(character) {
  if (character === " ") return false;
  const code = character.codePointAt(0);
  return HIDDEN.test(character) || IGNORABLE.some(([first, last]) => first <= code && code <= last);
}

export function escaped(character) {
  if (character === "\n") return "\\n";
  if (character === "\t") return "\\t";
  const code = character.codePointAt(0);
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

export function counted(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Make a text fit for one line. `exact` tells every character, where others are only counted. */
export function oneLine(text, { limit = MAX_LINE_CHARACTERS, exact = false } = {}) {
  const line = new Line();
  if (text.length <= limit && PLAIN.test(text)) return line.add(text);
  const all = [...text];
  const kept = all.slice(0, limit);
  line.cut = all.length - kept.length;
  let hasBase = false;
  for (let at = 0; at < kept.length; at += 1) {
    const character = kept[at];
    if (isHidden(character)) {
      line.add(escaped(character), true);
      line.hidden += 1;
      hasBase = false;
    } else if (MARK.test(character)) {
      const begin = at;
      while (at + 1 < kept.length && MARK.test(kept[at + 1]) && !isHidden(kept[at + 1])) at += 1;
      addMarks(line, kept.slice(begin, at + 1), hasBase, exact);
    } else {
      line.add(character);
      hasBase = character !== " ";
      line.rightToLeft ||= RIGHT_TO_LEFT.test(character) && LETTER.test(character);
    }
  }
  return line;
}

function addMarks(line, marks, hasBase, exact) {
  if (exact) {
    const drawn = hasBase ? MAX_MARKS : 0;
    line.add(marks.slice(0, drawn).join(""));
    for (const mark of marks.slice(drawn)) line.add(escaped(mark), true);
    line.hidden += Math.max(0, marks.length - drawn);
    return;
  }
  line.add((hasBase ? "" : "\u25cc") + marks.slice(0, MAX_MARKS).join(""));
  const over = marks.length - MAX_MARKS;
  if (over > 0) {
    line.add(`<+${over} marks>`, true);
    line.hidden += over;
  }
}

/** Make a name unmistakable: plain ASCII, all else escaped, so that no Cyrillic letter poses as a Latin one. */
export function identifier(name, { limit = MAX_IDENTIFIER_CHARACTERS, usual = "" } = {}) {
  const line = new Line();
  const all = [...name];
  for (const character of all.slice(0, limit)) {
    if (ORDINARY.test(character) || usual.includes(character)) {
      line.add(character);
    } else {
      const printable = character > " " && character <= "~" && character !== "\\" && character !== "|";
      line.add(printable ? character : escaped(character), true);
      line.hidden += 1;
    }
  }
  line.cut = Math.max(0, all.length - limit);
  if (name === "") line.add("(no name)", true);
  if (line.cut > 0) line.add(`... +${counted(line.cut)} characters`, true);
  line.odd = line.hidden > 0 || line.cut > 0 || name === "";
  return line;
}

/** One safe line as a string, for places that take nothing else; what was cut is said. */
export function plain(text, limit = MAX_LINE_CHARACTERS) {
  const line = oneLine(text, { limit });
  return line.text + (line.cut > 0 ? `... +${counted(line.cut)} characters` : "");
}

const ALPHABETS = ["Latin", "Cyrillic", "Greek", "Armenian", "Hebrew", "Arabic", "Cherokee", "Georgian"];
const LETTERS_OF = ALPHABETS.map((name) => [name, new RegExp(`\\p{Script=${name}}`, "u")]);

/** Say which alphabets one word of a text mixes; "" where none does. */
export function mixedAlphabets(text) {
  if (PLAIN.test(text)) return "";
  for (const word of text.match(/[\p{L}\p{M}\p{N}]+/gu) ?? []) {
    const found = LETTERS_OF.filter(([, letters]) => letters.test(word)).map(([name]) => name);
    if (found.length > 1) return `mixes ${found.join(" and ")} letters in one word`;
  }
  return "";
}
