/** What the gate decides about a call: leave to run, or what the client gets in place of a result. */

import { digestOf } from "./binding.js";
import type { AuthorityError } from "./errors.js";
import { denied, type Payload } from "./payload.js";

/** What the authority is asked about a call. Two legs of one run have equal ones. */
export interface CheckRequest {
  readonly authorizationId: string;
  readonly scope: string;
  readonly resource: string | null;
  readonly sessionId: string | null;
  readonly context: Readonly<Record<string, unknown>> | null;
  readonly contextJson: string | null;
}

/** Leave for one run of one tool with exactly these arguments. */
export interface Grant {
  readonly tool: string;
  /** Canonical; `null` where the arguments have no such form. */
  readonly argumentsJson: string | null;
  readonly request: CheckRequest;
  /** The idempotency key that it was given under. */
  readonly key: string;
}

/** The gate's answer: either a grant, or what the client gets in place of a result. */
export type Verdict =
  | { readonly allowed: true; readonly grant: Grant }
  | {
      readonly allowed: false;
      readonly payload: Payload;
      /** Whether no decision could be had, for whatever reason. */
      readonly unavailable: boolean;
    };

/** Return the verdict for a call that the policy, or the gate itself, does not let through. */
export function refused(payload: Payload): Verdict {
  return { allowed: false, payload, unavailable: false };
}

/** Return the verdict for a call on which no decision could be had. */
export function unavailable(reason: string): Verdict {
  return { allowed: false, payload: denied(reason), unavailable: true };
}

/** Tell whether this is the call that was granted, down to the last argument. */
export function covers(grant: Grant, tool: string, argumentsJson: string | null): boolean {
  return argumentsJson !== null && grant.tool === tool && grant.argumentsJson === argumentsJson;
}

/** Tell whether two checks ask for the same. */
export function sameRequest(one: CheckRequest, other: CheckRequest): boolean {
  return requestParts(one).every((part, index) => part === requestParts(other)[index]);
}

/** Name the leg of a run that follows one with this grant and brings this state back. */
export function legOf(grant: Grant, requestState: string | null): string {
  return digestOf(JSON.stringify([...requestParts(grant.request), grant.tool, grant.argumentsJson, requestState]));
}

/** Return the reason of the deny for what went wrong with the authority. */
export function fallbackReason(error: AuthorityError): string {
  switch (error.kind) {
    case "connect":
    case "closed":
    case "server":
      return "fallback_closed_unreachable";
    case "other":
      return "fallback_closed_error";
    default:
      return `fallback_closed_${error.kind}`;
  }
}

function requestParts(request: CheckRequest): (string | null)[] {
  const { authorizationId, scope, resource, sessionId, contextJson } = request;
  return [authorizationId, scope, resource, sessionId, contextJson];
}
