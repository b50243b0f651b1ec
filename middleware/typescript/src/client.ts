/** The client of the authorization API, as far as a gate needs it: checks. */

import { addressOf } from "./addresses.js";
import { AuthorityError } from "./errors.js";
import { Exchange } from "./exchange.js";
import { understood, type CheckResult } from "./replies.js";

/** The words of the API: "scopes" of the documented API, "actions" of the newer SDKs. */
export type Dialect = "scopes" | "actions";

/** What the authority is asked. */
export interface CheckQuestion {
  readonly authorizationId: string;
  readonly scope: string;
  readonly resource: string | null;
  readonly sessionId: string | null;
  readonly context: Readonly<Record<string, unknown>> | null;
  readonly dialect: Dialect;
  /** Repeating a check under the same key uses up nothing more. */
  readonly idempotencyKey: string;
}

/** The one thing that a gate needs of an authority. */
export interface Checker {
  /**
   * Ask whether an authorization permits something. Only `allow` is permission.
   *
   * @param signal Aborted when the check has taken too long or the call was cancelled.
   */
  check(question: CheckQuestion, signal: AbortSignal): Promise<CheckResult>;
}

/** Talks to one authority with one key. Calls may run in parallel. */
export class AuthorityClient implements Checker {
  readonly #exchange: Exchange;
  readonly #headers: Readonly<Record<string, string>>;

  /**
   * @param options.baseUrl `https`, or `http` to this computer (127.0.0.0/8, ::1, localhost), or `http+unix://` with
   * the percent-encoded path of a socket.
   * @param options.apiKey The workspace key. Kept out of every error and out of what `console.log` shows.
   * @throws {TypeError} The URL or the key is not usable.
   */
  constructor(options: { readonly baseUrl: string; readonly apiKey: string }) {
    this.#exchange = new Exchange(addressOf(options.baseUrl));
    this.#headers = {
      Authorization: bearer(options.apiKey),
      Accept: "application/json",
      "Accept-Encoding": "identity",
      "User-Agent": "allowly-mcp-middleware",
      "Content-Type": "application/json",
    };
  }

  /**
   * Ask; see `Checker.check`. A connection that ends before the answer is tried once more.
   *
   * @throws {AuthorityError} There is no decision; see its kind.
   */
  async check(question: CheckQuestion, signal: AbortSignal): Promise<CheckResult> {
    const outgoing = {
      path: "/v1/check",
      headers: { ...this.#headers, "Idempotency-Key": question.idempotencyKey },
      body: checkBody(question),
    };
    const send = async (): Promise<CheckResult> => {
      const answer = await this.#exchange.post(outgoing, signal);
      return understood(answer, question.authorizationId, question.scope);
    };
    try {
      return await send();
    } catch (error) {
      // An idle connection may end just when it is used again.
      if (!(error instanceof AuthorityError && error.kind === "closed")) {
        throw error;
      }
    }
    return await send();
  }

  /** Close the connections. May be called again; a later check opens new ones. */
  close(): void {
    this.#exchange.close();
  }
}

/**
 * Return the body of a check: names, order and nulls as the Python client sends them.
 *
 * @throws {AuthorityError} It has no JSON form.
 */
export function checkBody(question: CheckQuestion): string {
  const body = JSON.stringify({
    authorization_id: question.authorizationId,
    [question.dialect]: [question.scope],
    resource: question.resource,
    session_id: question.sessionId,
    context: question.context ?? {},
  });
  // `JSON.stringify` writes lone surrogates as escapes, which the authority would have to refuse.
  if (/\\ud[89a-f]/.test(body) && !strings(JSON.parse(body)).every((text) => text.isWellFormed())) {
    throw new AuthorityError("invalid_request");
  }
  return body;
}

function strings(value: unknown): string[] {
  if (typeof value === "string") {
    return [value];
  }
  return typeof value === "object" && value !== null ? Object.entries(value).flat().flatMap(strings) : [];
}

function bearer(apiKey: string): string {
  if (typeof apiKey !== "string" || !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new TypeError("apiKey must be printable ASCII without spaces");
  }
  return `Bearer ${apiKey}`;
}
