/**
 * What can go wrong between this program and the authority, by what it means for the caller.
 *
 * No text here ever holds a key, a nonce, an identifier or a URL.
 */

/**
 * Why there is no decision.
 *
 * | kind | what happened |
 * |---|---|
 * | `connect` | no connection was made: the request was certainly not processed |
 * | `closed` | the connection ended before the answer |
 * | `timeout` | no whole answer within the deadline |
 * | `server` | a 5xx, 408 or 425 status |
 * | `key_rejected` | the key is wrong or revoked (401, 403) |
 * | `rate_limited` | too many requests (429) |
 * | `conflict` | the key of this request was used for another one (409) |
 * | `invalid_request` | the authority does not accept the request (other 4xx), or it was refused before sending |
 * | `malformed` | the reply breaks the contract, so nothing in it counts |
 * | `other` | anything else the authority said no to |
 */
export type FailureKind =
  | "connect"
  | "closed"
  | "timeout"
  | "server"
  | "key_rejected"
  | "rate_limited"
  | "conflict"
  | "invalid_request"
  | "malformed"
  | "other";

const TEXTS: Readonly<Record<FailureKind, string>> = {
  connect: "The authority cannot be reached.",
  closed: "The authority ended the connection.",
  timeout: "The authority did not answer in time.",
  server: "The authority failed.",
  key_rejected: "The authority rejected the API key.",
  rate_limited: "The authority asks to slow down.",
  conflict: "The authority knows the key of this request from another one.",
  invalid_request: "The authority does not accept the request.",
  malformed: "The authority's reply breaks the contract.",
  other: "The authority did not decide.",
};

/** The authority did not do what was asked. */
export class AuthorityError extends Error {
  override readonly name = "AuthorityError";
  readonly kind: FailureKind;

  constructor(kind: FailureKind) {
    super(TEXTS[kind]);
    this.kind = kind;
  }
}

/** Return the error that an unexpected HTTP status stands for. */
export function errorOfStatus(status: number): AuthorityError {
  switch (status) {
    case 401:
    case 403:
      return new AuthorityError("key_rejected");
    case 408:
    case 425:
      return new AuthorityError("server");
    case 409:
      return new AuthorityError("conflict");
    case 410:
      return new AuthorityError("other");
    case 429:
      return new AuthorityError("rate_limited");
    default:
      return new AuthorityError(status >= 500 ? "server" : status >= 400 ? "invalid_request" : "malformed");
  }
}
