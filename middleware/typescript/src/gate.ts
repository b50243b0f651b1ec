/**
 * The decision for one tool call, free of any SDK.
 *
 * The gate finds out whose call it is, asks the authority, and says whether the tool may run. Nothing that a call, a
 * callback or the authority can do wrong is thrown: all of that is a deny with a reason.
 */

import { randomUUID } from "node:crypto";

import { boundResource, canonicalJson, isExact } from "./binding.js";
import type { Checker, Dialect } from "./client.js";
import { Continuations } from "./continuations.js";
import { AuthorityError } from "./errors.js";
import { BOUND, fieldsOf, isCheckInput, type CallFacts, type CheckInput } from "./facts.js";
import { isName, own } from "./identifiers.js";
import { blockedPayload, denied } from "./payload.js";
import type { CheckResult } from "./replies.js";
import {
  covers,
  fallbackReason,
  legOf,
  refused,
  sameRequest,
  unavailable,
  type CheckRequest,
  type Grant,
  type Verdict,
} from "./verdicts.js";

/** How long one check may take, its repetition included, in milliseconds. The published SDKs' own limit. */
export const CHECK_TIMEOUT_MS = 1000;

/** How long an asynchronous callback of the server's author may take, in milliseconds. */
export const CALLBACK_TIMEOUT_MS = 5000;

/** The pause before a check is repeated, once and under the same key, that found the authority just restarting. */
export const RETRY_PAUSE_MS = 50;

const LONGEST_TIMER_MS = 2 ** 31 - 1;

type MaybePromise<T> = T | Promise<T>;

export type AuthorizationIdFn = (userId: string) => MaybePromise<string | null | undefined>;
export type UserIdFn = (call: CallFacts) => MaybePromise<string | null | undefined>;
export type CheckInputFn = (call: CallFacts) => MaybePromise<CheckInput>;

/** What a gate is made of. `AllowlyMCPMiddlewareOptions` says what each means. */
export interface GateOptions {
  readonly authorizationIdFn: AuthorizationIdFn;
  readonly userIdFn?: UserIdFn | undefined;
  readonly checkInputFn?: CheckInputFn | undefined;
  readonly dialect?: Dialect | undefined;
  readonly bindArguments?: boolean | undefined;
  readonly checkTimeoutMs?: number | undefined;
  readonly callbackTimeoutMs?: number | undefined;
  readonly log?: ((message: string) => void) | undefined;
}

/** Decides calls, one after another or many at once. */
export class Gate {
  readonly #checker: Checker;
  readonly #options: GateOptions;
  readonly #checkTimeout: number;
  readonly #callbackTimeout: number;
  readonly #continuations = new Continuations();

  /** @throws {TypeError} A setting that cannot work. */
  constructor(checker: Checker, options: GateOptions) {
    const { dialect = "scopes", bindArguments } = options;
    const { checkTimeoutMs = CHECK_TIMEOUT_MS, callbackTimeoutMs = CALLBACK_TIMEOUT_MS } = options;
    if (!["scopes", "actions"].includes(dialect)) {
      throw new TypeError('dialect must be "scopes" or "actions"');
    }
    for (const [name, value] of Object.entries({ checkTimeoutMs, callbackTimeoutMs })) {
      if (!(value > 0 && value <= LONGEST_TIMER_MS)) {
        throw new TypeError(`${name} must be above 0 and at most ${String(LONGEST_TIMER_MS)}`);
      }
    }
    const { authorizationIdFn, userIdFn, checkInputFn, log } = options;
    for (const [name, value] of Object.entries({ authorizationIdFn, userIdFn, checkInputFn, log })) {
      if (typeof value !== "function" && (name === "authorizationIdFn" || value !== undefined)) {
        throw new TypeError(`${name} must be a function`);
      }
    }
    this.#checker = checker;
    // All of them as members of its own: what is done to `Object.prototype` later loosens nothing.
    this.#options = { authorizationIdFn, userIdFn, checkInputFn, dialect, bindArguments, log };
    this.#checkTimeout = checkTimeoutMs;
    this.#callbackTimeout = callbackTimeoutMs;
  }

  /**
   * Decide one call.
   *
   * @param facts The call, as it will run.
   * @param signal Aborted when the call is cancelled.
   * @param earlier The grant that this same request already has. The authority is asked again only where the call has
   *   since become another one.
   * @throws The signal's reason, if the call is cancelled; nothing else.
   */
  async decide(facts: CallFacts, signal: AbortSignal, earlier?: Grant): Promise<Verdict> {
    const argumentsJson = canonicalOf(facts.arguments);
    if (earlier !== undefined && covers(earlier, facts.tool, argumentsJson)) {
      return { allowed: true, grant: earlier };
    }
    let request: CheckRequest;
    try {
      request = await this.#request(facts, argumentsJson, signal);
    } catch (error) {
      signal.throwIfAborted();
      return error instanceof Refusal ? error.verdict : unavailable("fallback_closed_error");
    }
    if (earlier !== undefined && sameRequest(request, earlier.request)) {
      return { allowed: true, grant: { ...earlier, tool: facts.tool, argumentsJson } };
    }
    const grant = { tool: facts.tool, argumentsJson, request, key: freshKey() };
    const leg = legOf(grant, facts.requestState);
    const key = facts.continues && argumentsJson !== null ? this.#continuations.take(leg) : undefined;
    return key === undefined ? await this.#check(grant, signal) : await this.#continue({ ...grant, key }, leg, signal);
  }

  /**
   * Note that a run asked its client for input, so that the next leg needs no second approval.
   *
   * @param grant What the run had.
   * @param requestState The state that the next leg must bring back.
   */
  suspended(grant: Grant, requestState: string | null): void {
    if (grant.argumentsJson !== null) {
      this.#continuations.put(legOf(grant, requestState), grant.key);
    }
  }

  async #continue(grant: Grant, leg: string, signal: AbortSignal): Promise<Verdict> {
    let decided = false;
    try {
      const verdict = await this.#check(grant, signal);
      decided = verdict.allowed || !verdict.unavailable;
      return verdict;
    } finally {
      if (!decided) {
        this.#continuations.put(leg, grant.key);
      }
    }
  }

  async #check(grant: Grant, signal: AbortSignal): Promise<Verdict> {
    let result: CheckResult;
    try {
      const ask = (limit: AbortSignal): Promise<CheckResult> =>
        twiceIfHarmless(() => this.#askOnce(grant, limit), limit);
      result = await within(this.#checkTimeout, signal, ask);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AuthorityError) {
        return unavailable(fallbackReason(error));
      }
      this.#log(`the check ended in ${kindOf(error)}; the tool was not run`);
      return unavailable("fallback_closed_error");
    }
    switch ((result as CheckResult | null | undefined)?.decision) {
      case "allow":
        return { allowed: true, grant };
      case "deny":
      case "confirm":
      case "escalate":
        return refused(blockedPayload(result));
      default:
        return unavailable("fallback_closed_malformed"); // a checker of the author's own may say anything
    }
  }

  async #askOnce(grant: Grant, signal: AbortSignal): Promise<CheckResult> {
    const { authorizationId, scope, resource, sessionId, context } = grant.request;
    const { dialect = "scopes" } = this.#options;
    const question = { authorizationId, scope, resource, sessionId, context, dialect, idempotencyKey: grant.key };
    return await this.#checker.check(question, signal);
  }

  async #request(facts: CallFacts, argumentsJson: string | null, signal: AbortSignal): Promise<CheckRequest> {
    const { authorizationIdFn, userIdFn, checkInputFn } = this.#options;
    const userId = await (userIdFn === undefined
      ? own(facts.arguments, "user_id")
      : this.#answer(userIdFn, facts, "user_id_unavailable", signal));
    if (!isName(userId)) {
      throw new Refusal(refused(denied("authorization_not_found")));
    }
    const authorizationId = await this.#answer(authorizationIdFn, userId, "authorization_id_unavailable", signal);
    if (!isName(authorizationId)) {
      throw new Refusal(refused(denied("authorization_not_found")));
    }
    let check: unknown = {};
    if (checkInputFn !== undefined) {
      check = await this.#answer(checkInputFn, facts, "check_input_unavailable", signal);
      if (!isCheckInput(check)) {
        throw new Refusal(refused(denied("check_input_invalid")));
      }
    }
    const { scope, resource = BOUND, sessionId, context } = fieldsOf(check as CheckInput);
    return {
      authorizationId,
      scope: scope ?? facts.tool,
      resource: resource === BOUND ? this.#bound(facts.tool, argumentsJson) : resource,
      sessionId: sessionId ?? null,
      context: context ?? null,
      contextJson: context === undefined || context === null ? null : canonicalJson(context),
    };
  }

  #bound(tool: string, argumentsJson: string | null): string | null {
    if (this.#options.bindArguments === false) {
      return null;
    }
    if (argumentsJson === null) {
      throw new Refusal(refused(denied("arguments_not_canonical")));
    }
    return boundResource(tool, argumentsJson);
  }

  /** Call `callback`; whatever goes wrong in it is a deny with `reason`, and its text stays here. */
  async #answer<T>(
    callback: (argument: T) => unknown,
    argument: T,
    reason: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      return await within(this.#callbackTimeout, signal, async () => await callback(argument));
    } catch (error) {
      signal.throwIfAborted();
      this.#log(`a callback ended in ${kindOf(error)} (${reason}); the tool was not run`);
      throw new Refusal(unavailable(reason));
    }
  }

  #log(message: string): void {
    try {
      (this.#options.log ?? toStandardError)(`allowly-mcp-middleware: ${message}`);
    } catch {
      // Nothing that is said about a refusal may change it.
    }
  }
}

class Refusal extends Error {
  readonly verdict: Verdict;

  constructor(verdict: Verdict) {
    super();
    this.verdict = verdict;
  }
}

/**
 * Run a task under a limit of time, and until `signal` is aborted. The task is told, and not waited for any longer.
 *
 * @throws {AuthorityError} Of kind "timeout"; or the signal's reason; or what the task throws.
 */
async function within<T>(
  milliseconds: number,
  signal: AbortSignal,
  task: (limit: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const limit = new AbortController();
  const cancel = (): void => {
    limit.abort(signal.reason);
  };
  const timer = setTimeout(() => {
    limit.abort(new AuthorityError("timeout"));
  }, milliseconds);
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await new Promise<T>((resolve, reject) => {
      limit.signal.addEventListener("abort", () => {
        reject(limit.signal.reason as Error);
      });
      task(limit.signal).then(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  }
}

/** Send a request under an idempotency key, and once more where it found the authority just restarting. */
async function twiceIfHarmless<T>(send: () => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return await send();
  } catch (error) {
    // The client itself repeats a request whose connection ended: an idle one always may.
    if (!(error instanceof AuthorityError && (error.kind === "connect" || error.kind === "server"))) {
      throw error;
    }
  }
  await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
  signal.throwIfAborted();
  return await send();
}

function canonicalOf(value: unknown): string | null {
  try {
    return isExact(value) ? canonicalJson(value) : null;
  } catch {
    return null;
  }
}

/** Return an idempotency key that was never used. */
function freshKey(): string {
  return randomUUID().replaceAll("-", "");
}

/** Return the class of an error, which holds none of its text. */
function kindOf(error: unknown): string {
  try {
    return error instanceof Error ? error.constructor.name : typeof error;
  } catch {
    return "an error";
  }
}

function toStandardError(message: string): void {
  process.stderr.write(`${message}\n`);
}
