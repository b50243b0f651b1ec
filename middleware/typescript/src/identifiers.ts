/** What an identifier may look like. Identifiers come from servers and callbacks that may be wrong or hostile. */

/** Longest identifier of the API that is accepted, in characters. */
export const MAX_ID_CHARACTERS = 256;

const USABLE = new RegExp(`^[A-Za-z0-9_.~:-]{1,${String(MAX_ID_CHARACTERS)}}$`);

// What Python's `str.strip` removes and `\s` does not name: the separators and NEL.
const BLANK = /^[\s\u001c-\u001f\u0085]*$/;

/** Tell whether a value is a nonce or an id as the API issues them. */
export function isIdentifier(value: unknown): value is string {
  return typeof value === "string" && USABLE.test(value);
}

/** Tell whether a value names somebody or something: a string that is not blank. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && !BLANK.test(value);
}

/** Return a member that stands in the object itself: one of its prototype is nothing that anybody sent. */
export function own(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
