/**
 * What a client receives in place of a result when the tool was not run.
 *
 * Clients parse these shapes strictly, so the names and their order are fixed here and nowhere else.
 */

import type { CheckResult } from "./replies.js";

/** The `_meta` key that says why no decision could be had. */
export const CHECK_META_KEY = "allowly-middleware/check";

/** A decision as the client sees it. */
export type Payload = Readonly<Record<string, string | null>>;

/** A blocked result: a `CallToolResult` that says what was decided. */
export interface BlockedResult {
  [name: string]: unknown;
  _meta?: Record<string, unknown>;
  content: { type: "text"; text: string }[];
  structuredContent: Record<string, unknown>;
  isError: true;
}

/** Return the payload of a deny. `reason` is a machine code. */
export function denied(reason: string): Payload {
  return { decision: "deny", reason };
}

/** Return the payload for a decision of the authority that is not `allow`. */
export function blockedPayload(result: CheckResult): Payload {
  const { decision, reason } = result;
  switch (decision) {
    case "confirm":
      return {
        decision,
        reason,
        confirm_nonce: result.confirmNonce,
        confirm_prompt_hint: result.confirmPromptHint,
        confirm_expires_at: result.confirmExpiresAt,
      };
    case "escalate":
      return {
        decision,
        reason,
        escalation_id: result.escalationId,
        escalation_to: result.escalationTo,
        escalation_expires_at: result.escalationExpiresAt,
      };
    default:
      return denied(reason);
  }
}

/** Return the text block of a blocked result: the payload as JSON, ASCII only, spaced as Python's `json.dumps` does. */
export function blockedText(payload: Payload): string {
  const members = Object.entries(payload).map(([name, value]) => `${ascii(name)}: ${ascii(value)}`);
  return `{${members.join(", ")}}`;
}

/**
 * Return what the client gets in place of the tool's result.
 *
 * @param unavailable Whether this is an outage and no policy: the tool was certainly not entered.
 */
export function blockedResult(payload: Payload, unavailable: boolean): BlockedResult {
  return {
    ...(unavailable && { _meta: { [CHECK_META_KEY]: { phase: "before_tool", unavailable: true } } }),
    content: [{ type: "text", text: blockedText(payload) }],
    structuredContent: { ...payload },
    isError: true,
  };
}

function ascii(value: string | null): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
