/** An authority in the test's own process, which says what it is told to and notes what it is asked. */

import {
  AllowlyMCPMiddleware,
  type AllowlyMCPMiddlewareOptions,
  type CheckQuestion,
  type CheckResult,
  type CallFacts,
} from "../../src/index.js";
import { Gate, type GateOptions } from "../../src/gate.js";

export const ALLOW: CheckResult = { decision: "allow", reason: "authorization_granted_scope_active" };
export const DENY: CheckResult = { decision: "deny", reason: "scope_not_authorized" };
export const CONFIRM: CheckResult = {
  decision: "confirm",
  reason: "scope_requires_user_confirmation",
  confirmNonce: "n-1",
  confirmPromptHint: "send",
  confirmExpiresAt: "2026-11-22T10:05:00.000Z",
};

type Say = CheckResult | Error | (() => unknown);

/** Says one thing after another; the last one for good. A function is called for its answer. */
export class Scripted {
  readonly asked: CheckQuestion[] = [];
  readonly signals: AbortSignal[] = [];
  readonly #says: readonly Say[];

  constructor(...says: readonly Say[]) {
    this.#says = says;
  }

  async check(question: CheckQuestion, signal: AbortSignal): Promise<CheckResult> {
    const say = this.#says[Math.min(this.asked.length, this.#says.length - 1)];
    this.asked.push(question);
    this.signals.push(signal);
    if (say instanceof Error) {
      throw say;
    }
    return (await (typeof say === "function" ? say() : say)) as CheckResult;
  }
}

/** Return a guard for a scripted authority; the user id is the authorization id, and nothing is written anywhere. */
export function guard(authority: Scripted, options: Partial<AllowlyMCPMiddlewareOptions> = {}): AllowlyMCPMiddleware {
  return new AllowlyMCPMiddleware({
    apiKey: "allowly_test_key",
    authorizationIdFn: (userId) => userId,
    authority,
    log: () => undefined,
    ...options,
  });
}

/** The signal of a call that nobody cancels. */
export const NEVER = new AbortController().signal;

/** The facts of a call of `send`. */
export function facts(given: Record<string, unknown> = { user_id: "ada" }, more: Partial<CallFacts> = {}): CallFacts {
  return {
    tool: "send",
    arguments: given,
    authInfo: undefined,
    sessionId: undefined,
    context: undefined,
    continues: false,
    requestState: null,
    ...more,
  };
}

/** A gate whose users are their authorizations, and what it logs. */
export function gateOf(checker: Scripted, options: Partial<GateOptions> = {}): { gate: Gate; logged: string[] } {
  const logged: string[] = [];
  const log = (message: string): void => void logged.push(message);
  return { gate: new Gate(checker, { authorizationIdFn: (userId) => userId, log, ...options }), logged };
}
