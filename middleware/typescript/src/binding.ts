/**
 * The one definition of what an approval is bound to: canonical arguments and their digest.
 *
 * The Python gate, the authority and the client's runtime use `allowly_authority/binding.py`; all of them must agree
 * to the byte, so both are held against the same vectors (`tests/vectors/canonical.json`).
 */

import { createHash } from "node:crypto";

/** Longest canonical form, in bytes of UTF-8. */
export const MAX_ARGUMENT_BYTES = 4 * 1024 * 1024;

/** Deepest nesting. Deeper values are refused before they can exhaust the stack of any reader. */
export const MAX_DEPTH = 64;

/** The value has no JSON form, or breaks a limit. */
export class NotCanonicalError extends Error {
  override readonly name = "NotCanonicalError";
}

/**
 * Write a value as canonical JSON: equal values give equal text, on every machine.
 *
 * The form is RFC 8785 (JSON Canonicalization Scheme): no white space, object names sorted by UTF-16 code units,
 * numbers as ECMAScript prints them.
 *
 * @param value Plain objects, arrays, strings, numbers, booleans and `null`.
 * @returns The text, at most `MAX_ARGUMENT_BYTES` long in UTF-8.
 * @throws {NotCanonicalError} NaN, infinity, a lone surrogate, another type, or a broken limit.
 */
export function canonicalJson(value: unknown): string {
  const text = write(value, MAX_DEPTH);
  const size = Buffer.byteLength(text);
  if (size > MAX_ARGUMENT_BYTES) {
    throw new NotCanonicalError(`the value takes ${String(size)} bytes, more than ${String(MAX_ARGUMENT_BYTES)}`);
  }
  return text;
}

/** Return the SHA-256 of a text in UTF-8, as 64 lowercase hexadecimal digits. */
export function digestOf(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/**
 * Name one tool with one set of arguments, for the `resource` field of a check.
 *
 * @param tool The tool's name, as the server knows it.
 * @param argumentsJson The arguments in the form that `canonicalJson` writes.
 * @returns `mcp:<tool>#sha256:<digest>`. An approval for this resource opens this call and no other.
 */
export function boundResource(tool: string, argumentsJson: string): string {
  return `mcp:${tool}#sha256:${digestOf(argumentsJson)}`;
}

/**
 * Tell whether a value is sure to be what its sender wrote.
 *
 * A whole number beyond 2^53 - 1 may have been rounded by `JSON.parse` before anybody here could see it: what a person
 * was shown elsewhere, to the digit, would not be what runs.
 */
export function isExact(value: unknown): boolean {
  if (typeof value === "number") {
    return !Number.isInteger(value) || Number.isSafeInteger(value);
  }
  if (typeof value !== "object" || value === null) {
    return true;
  }
  return Object.values(value).every(isExact);
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case "string":
      return quoted(value);
    case "number":
      return numeral(value);
    case "boolean":
      return value ? "true" : "false";
    case "object":
      return value === null ? "null" : writeContainer(value, depth);
    default:
      throw new NotCanonicalError(`a ${typeof value} has no JSON form`);
  }
}

function writeContainer(value: object, depth: number): string {
  if (depth === 0) {
    throw new NotCanonicalError(`the value is nested deeper than ${String(MAX_DEPTH)} levels`);
  }
  if (Array.isArray(value)) {
    // `Array.from` makes the holes of a sparse array visible, which have no JSON form.
    return bounded(`[${Array.from(value as unknown[], (item) => write(item, depth - 1)).join(",")}]`);
  }
  if (!isPlainObject(value)) {
    throw new NotCanonicalError("only plain objects have a JSON form");
  }
  // The default order of `sort` is that of UTF-16 code units, as RFC 8785 asks.
  const members = Object.keys(value)
    .sort()
    .map((name) => `${quoted(name)}:${write(value[name], depth - 1)}`);
  return bounded(`{${members.join(",")}}`);
}

/** Tell whether a value is an object as JSON makes them: no instance of a class, nothing named by symbols. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === null || prototype === Object.prototype) && Object.getOwnPropertySymbols(value).length === 0;
}

function quoted(text: string): string {
  if (!text.isWellFormed()) {
    throw new NotCanonicalError("a string holds a lone surrogate, which JSON cannot carry");
  }
  return JSON.stringify(text);
}

function numeral(value: number): string {
  if (!Number.isFinite(value)) {
    throw new NotCanonicalError("NaN and infinity have no JSON form");
  }
  return String(value); // -0 prints as 0
}

/** Checked on the way up: values that share their parts grow exponentially long when written out. */
function bounded(text: string): string {
  if (text.length > MAX_ARGUMENT_BYTES) {
    throw new NotCanonicalError(`the value takes more than the limit of ${String(MAX_ARGUMENT_BYTES)} bytes`);
  }
  return text;
}
