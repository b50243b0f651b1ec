/** Replies to a check as they are read: strict where a decision hangs on it, tolerant of extra names. */

import { AuthorityError, errorOfStatus } from "./errors.js";
import { isIdentifier } from "./identifiers.js";
import { parseStrictJson } from "./strict-json.js";
import { inMilliseconds } from "./timestamps.js";

/** Longest reason, in characters. */
export const MAX_REASON_CHARACTERS = 1000;

/** The decision on one scope or action. Times are in UTC with milliseconds. */
export type CheckResult =
  | { readonly decision: "allow" | "deny"; readonly reason: string }
  | {
      readonly decision: "confirm";
      readonly reason: string;
      readonly confirmNonce: string;
      readonly confirmPromptHint: string | null;
      readonly confirmExpiresAt: string | null;
    }
  | {
      readonly decision: "escalate";
      readonly reason: string;
      readonly escalationId: string;
      readonly escalationTo: string | null;
      readonly escalationExpiresAt: string | null;
    };

/** A whole HTTP reply. */
export interface Answer {
  readonly status: number;
  readonly body: Uint8Array;
  /** Whether it says that it is `application/json`. */
  readonly isJson: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Read the answer to a check of one scope.
 *
 * @param authorizationId Whose check it was; an answer about another one counts for nothing.
 * @param scope What was asked for; exactly this must be answered.
 * @throws {AuthorityError} There is no decision in it.
 */
export function understood(answer: Answer, authorizationId: string, scope: string): CheckResult {
  if (answer.status !== 200) {
    throw errorOfStatus(answer.status);
  }
  if (!answer.isJson) {
    throw malformed();
  }
  let reply: unknown;
  try {
    reply = parseStrictJson(answer.body);
  } catch {
    throw malformed();
  }
  const fields = fieldsOf(reply);
  text(fields["authorization_id"]);
  optional(fields["user_id"], text);
  optional(fields["agent_id"], text);
  optional(fields["authorization_expires_at"], timestamp);
  const results = fieldsOf(fields["results"]);
  const decisions = Object.keys(results).map((name) => [name, result(fieldsOf(results[name]))] as const);
  const first = decisions[0];
  if (fields["authorization_id"] !== authorizationId || decisions.length !== 1 || first?.[0] !== scope) {
    throw malformed();
  }
  return first[1];
}

function result(fields: Fields): CheckResult {
  const reason = text(fields["reason"]);
  if (Array.from(reason).length > MAX_REASON_CHARACTERS) {
    throw malformed();
  }
  const confirmNonce = optional(fields["confirm_nonce"], identifier);
  const confirmExpiresAt = optional(fields["confirm_expires_at"], timestamp);
  const confirmPromptHint = optional(fields["confirm_prompt_hint"], text);
  optional(fields["confirmation_id"], identifier);
  const escalationId = optional(fields["escalation_id"], identifier);
  const escalationTo = optional(fields["escalation_to"], text);
  const escalationExpiresAt = optional(fields["escalation_expires_at"], timestamp);
  const { decision } = fields;
  // An id belongs to its own decision, and to nothing else.
  if ((confirmNonce !== null) !== (decision === "confirm") || (escalationId !== null) !== (decision === "escalate")) {
    throw malformed();
  }
  if (confirmNonce !== null) {
    return { decision: "confirm", reason, confirmNonce, confirmPromptHint, confirmExpiresAt };
  }
  if (escalationId !== null) {
    return { decision: "escalate", reason, escalationId, escalationTo, escalationExpiresAt };
  }
  if (decision !== "allow" && decision !== "deny") {
    throw malformed();
  }
  return { decision, reason };
}

function optional<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === undefined || value === null ? null : read(value);
}

function text(value: unknown): string {
  if (typeof value !== "string") {
    throw malformed();
  }
  return value;
}

function identifier(value: unknown): string {
  if (!isIdentifier(value)) {
    throw malformed();
  }
  return value;
}

function timestamp(value: unknown): string {
  const moment = inMilliseconds(text(value));
  if (moment === undefined) {
    throw malformed();
  }
  return moment;
}

function fieldsOf(value: unknown): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw malformed();
  }
  return value as Fields;
}

function malformed(): AuthorityError {
  return new AuthorityError("malformed");
}
