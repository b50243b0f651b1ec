/** What is known of a call before it runs, and what the server's author may say about its check. */

import { canonicalJson, isPlainObject } from "./binding.js";
import { isName } from "./identifiers.js";

/** Stands for the resource that names this call with its arguments. */
export const BOUND: unique symbol = Symbol("bound");

/** What the transport has verified about the caller: the `authInfo` of the SDK. */
export interface AuthInfo {
  readonly token: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly expiresAt?: number;
  readonly resource?: URL;
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** What is known of one call before it runs. Callbacks receive it. */
export interface CallFacts {
  /** The tool's name, as this server knows it. */
  readonly tool: string;
  /** The arguments, chosen by the caller. Frozen; nothing in them is proof of anything. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** What the transport has verified; `undefined` on stdio. Identity comes from here. */
  readonly authInfo: AuthInfo | undefined;
  /** The session of the transport; `undefined` where there is none. */
  readonly sessionId: string | undefined;
  /** The SDK's own context: `RequestHandlerExtra` of 1.x, `ServerContext` of 2.x. */
  readonly context: unknown;
  /** Whether the call claims to bring input that an earlier leg asked for. */
  readonly continues: boolean;
  /** The state it brings back; `null` where it brings none. */
  readonly requestState: string | null;
}

/** What `checkInputFn` may say about a check. */
export interface CheckInput {
  /** The scope or action to ask for; the tool's name where it is left out. */
  readonly scope?: string | null;
  /**
   * The exact target; `null` for none. Left out or `BOUND`, it names the call with its arguments where the gate binds
   * arguments. Anything else loosens what an approval opens: any arguments that give the same resource.
   */
  readonly resource?: string | typeof BOUND | null;
  /** Facts for the policy, at most 4 KiB as canonical JSON. */
  readonly context?: Readonly<Record<string, unknown>> | null;
  /** A label for the receipt. */
  readonly sessionId?: string | null;
}

/** The arguments are no JSON, or not for certain what the caller sent. */
export class UncopyableError extends Error {
  override readonly name = "UncopyableError";
}

/** Tell whether every field of a check input has the type that it promises; the author's code may not be typed. */
export function isCheckInput(value: unknown): value is CheckInput {
  if (!isPlainObject(value)) {
    return false;
  }
  const { scope, resource, context, sessionId } = fieldsOf(value as CheckInput);
  const texts = [scope, resource === BOUND ? null : resource, sessionId];
  if (!texts.every((text) => text === undefined || text === null || isName(text))) {
    return false;
  }
  if (context === undefined || context === null) {
    return true;
  }
  try {
    canonicalJson(context);
  } catch {
    return false;
  }
  return isPlainObject(context);
}

/** Return the fields that stand in a check input itself: one of its prototype must not loosen what is asked. */
export function fieldsOf(check: CheckInput): CheckInput {
  return Object.assign(Object.create(null) as CheckInput, check);
}

/**
 * Copy arguments: a caller in the same process may share them with the server and could change them meanwhile.
 *
 * Members that are `undefined` are left out, as every transport that writes JSON does.
 *
 * @throws {UncopyableError} Something in them is no JSON.
 */
export function copied(value: unknown): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return value === 0 ? 0 : value; // -0 counts as 0 in the canonical form, so the tool gets 0 as well
    case "object":
      break;
    default:
      throw new UncopyableError(`a ${typeof value} is no JSON`);
  }
  if (value === null) {
    return null;
  }
  if (Array.isArray(value)) {
    return Array.from(value, copied);
  }
  if (!isPlainObject(value)) {
    throw new UncopyableError("an instance of a class is no JSON");
  }
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, copied(member)]));
}

/** Freeze a copy made by `copied`, all the way down. */
export function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    Object.values(value).forEach(frozen);
    Object.freeze(value);
  }
  return value;
}
